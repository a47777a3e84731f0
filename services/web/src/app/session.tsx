import { Box } from '@mui/material';
import { Navigate, useLocation } from 'react-router';
import { useGetMeQuery } from '../api/generated/clove-api.js';
import { ErrorView, LoadingView } from '../components/states.js';
import { OfflineBanner } from './offline-banner.js';
import { Shell } from './shell.js';

/** Where to go after signing in: an address of this app, `/` where it is anything else. */
export const safeReturn = (from: string | null): string =>
  from !== null && /^\/(?![/\\])/.test(from) && !from.startsWith('/sign-in') ? from : '/';

/** Everything but the sign-in page: for who is signed in; others sign in first and come back to where they were. */
export function SignedIn() {
  const location = useLocation();
  const { data: user, error, isLoading, refetch } = useGetMeQuery();
  if (error !== undefined && 'status' in error && error.status === 401) {
    const from = `${location.pathname}${location.search}${location.hash}`;
    return <Navigate to={from === '/' ? '/sign-in' : `/sign-in?from=${encodeURIComponent(from)}`} replace />;
  }
  if (user !== undefined) return <Shell username={user.username} />;
  return (
    <>
      <OfflineBanner />
      <Box component="main" sx={{ maxWidth: 560, mx: 'auto', mt: 10, px: 2 }}>
        {isLoading || error === undefined ? (
          <LoadingView />
        ) : (
          <ErrorView error={error} onRetry={() => void refetch()} />
        )}
      </Box>
    </>
  );
}
