import { Box, Button, Stack, Typography } from '@mui/material';
import { Link as RouterLink, isRouteErrorResponse, useRouteError } from 'react-router';
import { EmptyView } from '../components/states.js';

/** True where a part of the app could not be fetched: offline, or a newer version has taken its place. */
const isMissingPart = (error: unknown): boolean =>
  error instanceof Error && /dynamically imported module|Importing a module script|preload/i.test(error.message);

/** In place of a page that does not exist or has failed; the rest of the app stands. */
export function ErrorPage() {
  const error = useRouteError();
  if (isRouteErrorResponse(error) && error.status === 404) return <NotFoundPage />;
  const missing = isMissingPart(error);
  return (
    <Stack component="section" sx={{ maxWidth: 640, mx: 'auto', mt: 8, gap: 2, px: 2 }}>
      <Typography variant="h1">{missing ? 'This page could not be loaded' : 'This page has failed'}</Typography>
      <Typography>
        {missing
          ? 'There is no connection, or Clove was brought up to date since you opened it. Loading it again helps.'
          : 'This is a fault of the app, not yours. Nothing that you stored is lost. Loading it again often helps.'}
      </Typography>
      {missing ? null : (
        <Typography variant="body2" component="pre" color="textSecondary" sx={{ whiteSpace: 'pre-wrap' }}>
          {error instanceof Error ? error.message : String(error)}
        </Typography>
      )}
      <Box>
        <Button variant="contained" onClick={() => window.location.reload()}>
          Load again
        </Button>
      </Box>
    </Stack>
  );
}

/** An address that leads nowhere. */
export function NotFoundPage() {
  return (
    <EmptyView
      title="There is no such page"
      action={
        <Button component={RouterLink} to="/" variant="contained">
          Go to Home
        </Button>
      }
    >
      The address may be misspelt, or what it led to was deleted.
    </EmptyView>
  );
}
