import { Page } from '../../components/page.js';

/** Every job, live. */
export function JobsPage() {
  return <Page title="Jobs">{null}</Page>;
}
