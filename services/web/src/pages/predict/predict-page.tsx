import { Page } from '../../components/page.js';

/** From a model and a file to predictions, in three steps. */
export function PredictPage() {
  return <Page title="Quick predict">{null}</Page>;
}
