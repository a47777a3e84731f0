import { Page } from '../../components/page.js';

/** One job: progress, attempts, error. */
export function JobPage() {
  return <Page title="Job">{null}</Page>;
}
