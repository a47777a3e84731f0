import { Page } from '../../components/page.js';

/** Every training, to be compared. */
export function RunsPage() {
  return <Page title="Training">{null}</Page>;
}
