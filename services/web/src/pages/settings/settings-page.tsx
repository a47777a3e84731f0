import { Tab, Tabs } from '@mui/material';
import { useSearchParams } from 'react-router';
import { useMay } from '../../api/session.js';
import { Page } from '../../components/page.js';
import { AccountTab } from './account-tab.js';
import { ActivityTab } from './activity-tab.js';
import { ApiKeysTab } from './api-keys-tab.js';
import { ErasuresTab } from './erasures-tab.js';
import { UsersTab } from './users-tab.js';

/** The own account, API keys, users, and who did what. */
export function SettingsPage() {
  const [search, setSearch] = useSearchParams();
  const admin = useMay('admin');
  const tabs = [
    { name: 'account', label: 'Account', Content: AccountTab },
    { name: 'keys', label: 'API keys', Content: ApiKeysTab },
    ...(admin ? [{ name: 'users', label: 'Users', Content: UsersTab }] : []),
    ...(admin ? [{ name: 'erasures', label: 'Erasure', Content: ErasuresTab }] : []),
    { name: 'activity', label: 'Activity', Content: ActivityTab },
  ];
  const { name, Content } = tabs.find((tab) => tab.name === search.get('tab')) ?? {
    name: 'account',
    Content: AccountTab,
  };
  return (
    <Page title="Settings">
      <Tabs
        value={name}
        onChange={(_event, tab: string) => setSearch(tab === 'account' ? {} : { tab })}
        aria-label="Settings"
        variant="scrollable"
        scrollButtons={false}
        sx={{ borderBottom: 1, borderColor: 'divider', mt: -1 }}
      >
        {tabs.map((tab) => (
          <Tab
            key={tab.name}
            value={tab.name}
            label={tab.label}
            id={`tab-${tab.name}`}
            aria-controls="settings-panel"
          />
        ))}
      </Tabs>
      <div role="tabpanel" id="settings-panel" aria-labelledby={`tab-${name}`}>
        <Content />
      </div>
    </Page>
  );
}
