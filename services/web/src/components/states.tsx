import { Alert, AlertTitle, Box, Button, CircularProgress, Stack, Typography } from '@mui/material';
import type { ReactNode } from 'react';
import { failureOf } from '../lib/problem.js';
import { InboxIcon } from './icons.js';

/** Stands where something is on its way. `label` says what, for screen readers too. */
export function LoadingView({ label = 'Loading' }: { label?: string }) {
  return (
    <Stack role="status" aria-live="polite" sx={{ alignItems: 'center', justifyContent: 'center', gap: 2, py: 8 }}>
      <CircularProgress size={28} aria-hidden />
      <Typography variant="body2" color="textSecondary">
        {label} …
      </Typography>
    </Stack>
  );
}

type EmptyProps = {
  title: string;
  /** what would be here, and how it gets here */
  children?: ReactNode;
  /** a button that leads on */
  action?: ReactNode;
  icon?: ReactNode;
};

/** Stands where there is nothing yet: what would be here and what to do. */
export function EmptyView({ title, children, action, icon }: EmptyProps) {
  return (
    <Stack sx={{ alignItems: 'center', textAlign: 'center', gap: 1.5, py: 7, px: 3, color: 'text.secondary' }}>
      <Box sx={{ fontSize: 40, display: 'flex', opacity: 0.7 }} aria-hidden>
        {icon ?? <InboxIcon fontSize="inherit" />}
      </Box>
      <Typography variant="h2" color="textPrimary">
        {title}
      </Typography>
      {children === undefined ? null : (
        <Typography variant="body2" component="div" sx={{ maxWidth: '52ch' }}>
          {children}
        </Typography>
      )}
      {action === undefined ? null : <Box sx={{ mt: 1 }}>{action}</Box>}
    </Stack>
  );
}

type ErrorProps = {
  /** what RTK Query, an upload or a render threw */
  error: unknown;
  onRetry?: () => void;
  /** in place of the problem's own title */
  title?: string;
};

/** An error in the words of the gateway: what is wrong, which fields, what to do, and the id to ask the operator about. */
export function ErrorView({ error, onRetry, title }: ErrorProps) {
  const failure = failureOf(error);
  return (
    <Alert
      severity="error"
      variant="outlined"
      action={
        onRetry === undefined ? undefined : (
          <Button color="inherit" size="small" onClick={onRetry}>
            Try again
          </Button>
        )
      }
    >
      <AlertTitle>{title ?? failure.title}</AlertTitle>
      <Typography variant="body2" sx={{ overflowWrap: 'anywhere' }}>
        {failure.detail}
      </Typography>
      {failure.errors.length > 1 ? (
        <Box component="ul" sx={{ m: 0, mt: 1, pl: 2.5, typography: 'body2' }}>
          {failure.errors.map(({ pointer, detail }) => (
            <li key={`${pointer}${detail}`}>
              <code>{pointer.replace(/^\//, '')}</code>: {detail}
            </li>
          ))}
        </Box>
      ) : null}
      {failure.requestId === null ? null : (
        <Typography variant="caption" component="p" sx={{ mt: 1, mb: 0, opacity: 0.8, overflowWrap: 'anywhere' }}>
          {failure.code}, request {failure.requestId}
        </Typography>
      )}
    </Alert>
  );
}
