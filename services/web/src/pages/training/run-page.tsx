import { Page } from '../../components/page.js';

/** One training, live. */
export function RunPage() {
  return <Page title="Training run">{null}</Page>;
}
