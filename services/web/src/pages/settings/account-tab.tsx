import { Alert, Button, Stack, TextField, ToggleButton, ToggleButtonGroup, Typography } from '@mui/material';
import { useColorScheme } from '@mui/material/styles';
import { type FormEvent, useState } from 'react';
import {
  useChangePasswordMutation,
  useGetMeQuery,
  useSignOutEverywhereMutation,
} from '../../api/generated/clove-api.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { Facts, Section } from '../../components/page.js';
import { ErrorView } from '../../components/states.js';
import { formatDay, formatInstant } from '../../lib/format.js';
import { failureOf, fieldError } from '../../lib/problem.js';
import { ROLES } from './role-words.js';

/** Who one is, how the app looks, the password, the sessions. */
export function AccountTab() {
  const { data: me } = useGetMeQuery();
  const { mode = 'system', setMode } = useColorScheme();
  const [signOutEverywhere] = useSignOutEverywhereMutation();
  const [asking, setAsking] = useState(false);
  return (
    <Stack sx={{ gap: 3, maxWidth: 720 }}>
      <Section title="You">
        <Facts
          items={[
            { label: 'User name', value: me?.username ?? '' },
            { label: 'Organisation', value: me?.tenant.name ?? '' },
            { label: 'Role', value: me === undefined ? '' : ROLES[me.role].label, hint: me && ROLES[me.role].may },
            { label: 'Since', value: formatDay(me?.createdAt.slice(0, 10)) },
            { label: 'This session ends', value: formatInstant(me?.expiresAt) },
          ]}
        />
      </Section>
      <Section title="Look">
        <ToggleButtonGroup
          exclusive
          size="small"
          value={mode}
          aria-label="Light or dark"
          onChange={(_event, chosen: 'system' | 'light' | 'dark' | null) => chosen !== null && setMode(chosen)}
        >
          <ToggleButton value="system">As the system</ToggleButton>
          <ToggleButton value="light">Light</ToggleButton>
          <ToggleButton value="dark">Dark</ToggleButton>
        </ToggleButtonGroup>
      </Section>
      <Section title="Password">
        <PasswordForm />
      </Section>
      <Section title="Sessions">
        <Typography variant="body2" color="textSecondary" sx={{ mb: 2 }}>
          Ends every session of yours, on this and every other device. API keys go on working.
        </Typography>
        <Button variant="outlined" color="error" onClick={() => setAsking(true)}>
          Sign out everywhere
        </Button>
        <ConfirmDialog
          open={asking}
          title="Sign out everywhere?"
          action="Sign out everywhere"
          destructive
          onConfirm={() => signOutEverywhere().unwrap()}
          onClose={() => setAsking(false)}
        >
          You have to sign in again here, too. Uploads that are under way in the browser break off; jobs go on.
        </ConfirmDialog>
      </Section>
    </Stack>
  );
}

function PasswordForm() {
  const [change, { error, isLoading, isSuccess, reset }] = useChangePasswordMutation();
  const [current, setCurrent] = useState('');
  const [password, setPassword] = useState('');
  const [again, setAgain] = useState('');
  const differ = again !== '' && again !== password;
  const failure = error === undefined ? null : failureOf(error);
  const wrong = fieldError(failure, 'password');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const answer = await change({ changePassword: { current, password } });
    if (answer.error !== undefined) return;
    setCurrent('');
    setPassword('');
    setAgain('');
  };
  return (
    <Stack
      component="form"
      onSubmit={submit}
      onChange={() => (isSuccess || failure !== null) && reset()}
      sx={{ gap: 2, maxWidth: 360 }}
    >
      <TextField
        label="Current password"
        type="password"
        autoComplete="current-password"
        required
        value={current}
        onChange={(event) => setCurrent(event.target.value)}
      />
      <TextField
        label="New password"
        type="password"
        autoComplete="new-password"
        required
        value={password}
        onChange={(event) => setPassword(event.target.value)}
        error={wrong !== undefined}
        helperText={wrong ?? 'At least 8 characters'}
        slotProps={{ htmlInput: { minLength: 8 } }}
      />
      <TextField
        label="New password, again"
        type="password"
        autoComplete="new-password"
        required
        value={again}
        onChange={(event) => setAgain(event.target.value)}
        error={differ}
        helperText={differ ? 'Is not the same as above' : ' '}
      />
      {failure === null || wrong !== undefined ? null : (
        <ErrorView error={error} title="The password was not changed" />
      )}
      {isSuccess ? <Alert severity="success">The password is changed. Your other sessions have ended.</Alert> : null}
      <Button type="submit" variant="outlined" loading={isLoading} disabled={differ} sx={{ alignSelf: 'flex-start' }}>
        Change password
      </Button>
    </Stack>
  );
}
