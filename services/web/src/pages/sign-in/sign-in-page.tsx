import { Alert, Box, Button, Card, Stack, TextField, Typography } from '@mui/material';
import { type FormEvent, useEffect, useState } from 'react';
import { Navigate, useNavigate, useSearchParams } from 'react-router';
import { baseApi } from '../../api/base.js';
import { useGetMeQuery, useLoginMutation } from '../../api/generated/clove-api.js';
import { OfflineBanner } from '../../app/offline-banner.js';
import { safeReturn } from '../../app/session.js';
import { useAppDispatch } from '../../app/store.js';
import { failureOf } from '../../lib/problem.js';
import icon from '../../icon.svg';

/** Whether the gateway has said in its page that `admin` with the password `admin` gets in: on one's own machine alone. */
const LOCAL = document.querySelector('meta[name="clove-local-password"]') !== null;

/** Signing in; afterwards back to where one was. */
export function SignInPage() {
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const dispatch = useAppDispatch();
  const from = search.get('from');
  const target = safeReturn(from);
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const { data: user, error } = useGetMeQuery();
  const [login, { error: refused, isLoading }] = useLoginMutation();
  useEffect(() => {
    document.title = 'Sign in · Clove';
  }, []);

  if (user !== undefined && error === undefined) return <Navigate to={target} replace />;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const answer = await login({ login: { username: username.trim(), password } });
    if (answer.error !== undefined) return;
    // what another user saw before must not show through
    dispatch(baseApi.util.resetApiState());
    await navigate(target, { replace: true });
  };
  const failure = refused === undefined ? null : failureOf(refused);
  return (
    <Box sx={{ minHeight: '100vh', display: 'flex', flexDirection: 'column' }}>
      <OfflineBanner />
      <Stack component="main" sx={{ flex: 1, alignItems: 'center', justifyContent: 'center', p: 2 }}>
        <Card sx={{ width: '100%', maxWidth: 400, p: { xs: 3, sm: 4 } }}>
          <Stack component="form" onSubmit={submit} sx={{ gap: 2.5 }}>
            <Box>
              <Box component="img" src={icon} alt="" sx={{ width: 40, height: 40, mb: 2, display: 'block' }} />
              <Typography variant="h1">Sign in to Clove</Typography>
              <Typography variant="body2" color="textSecondary">
                What will each customer spend?
              </Typography>
            </Box>
            {from === null || failure !== null ? null : (
              <Alert severity="info">Sign in to go on. You come back to the page where you were.</Alert>
            )}
            {LOCAL && failure === null ? (
              <Typography variant="body2" color="textSecondary">
                Clove runs on this machine alone: the user is <strong>admin</strong>, the password{' '}
                <strong>admin</strong>.
              </Typography>
            ) : null}
            {failure === null ? null : (
              <Alert severity="error">
                {failure.status === 401 ? 'The user name or the password is wrong.' : failure.detail}
              </Alert>
            )}
            <TextField
              label="User name"
              name="username"
              autoComplete="username"
              autoFocus
              required
              value={username}
              onChange={(event) => setUsername(event.target.value)}
            />
            <TextField
              label="Password"
              name="password"
              type="password"
              autoComplete="current-password"
              required
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
            <Button type="submit" variant="contained" size="large" loading={isLoading}>
              Sign in
            </Button>
          </Stack>
        </Card>
      </Stack>
    </Box>
  );
}
