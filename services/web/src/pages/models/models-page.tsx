import { Page } from '../../components/page.js';

/** Every model of the registry. */
export function ModelsPage() {
  return <Page title="Models">{null}</Page>;
}
