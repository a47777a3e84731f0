import { Page } from '../../components/page.js';

/** One version: metrics, charts, gates, files. */
export function VersionPage() {
  return <Page title="Version">{null}</Page>;
}
