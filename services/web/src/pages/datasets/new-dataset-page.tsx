import { Page } from '../../components/page.js';

/** Upload with a mapping, presets, generator. */
export function NewDatasetPage() {
  return <Page title="New dataset">{null}</Page>;
}
