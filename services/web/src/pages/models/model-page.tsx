import { Page } from '../../components/page.js';

/** One model: versions, aliases, history. */
export function ModelPage() {
  return <Page title="Model">{null}</Page>;
}
