import { Page } from '../../components/page.js';

/** API keys and users. */
export function SettingsPage() {
  return <Page title="Settings">{null}</Page>;
}
