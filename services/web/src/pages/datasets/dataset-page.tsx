import { Page } from '../../components/page.js';

/** One dataset: profile, rejected rows, preview. */
export function DatasetPage() {
  return <Page title="Dataset">{null}</Page>;
}
