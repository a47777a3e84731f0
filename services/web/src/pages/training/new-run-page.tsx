import { Page } from '../../components/page.js';

/** The options of a training. */
export function NewRunPage() {
  return <Page title="New training">{null}</Page>;
}
