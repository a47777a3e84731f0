import { Chip } from '@mui/material';
import type { JobStatus } from '@clove/contracts';
import type { ReactElement } from 'react';
import { AccessTimeIcon, CancelIcon, CheckCircleIcon, ErrorIcon, PlayArrowIcon } from './icons.js';

const LOOKS: Record<
  JobStatus | 'pending' | 'ready',
  { label: string; color: 'default' | 'info' | 'success' | 'error'; icon: ReactElement }
> = {
  pending: { label: 'In preparation', color: 'info', icon: <PlayArrowIcon /> },
  ready: { label: 'Ready', color: 'success', icon: <CheckCircleIcon /> },
  queued: { label: 'Waiting', color: 'default', icon: <AccessTimeIcon /> },
  running: { label: 'Running', color: 'info', icon: <PlayArrowIcon /> },
  succeeded: { label: 'Done', color: 'success', icon: <CheckCircleIcon /> },
  failed: { label: 'Failed', color: 'error', icon: <ErrorIcon /> },
  cancelled: { label: 'Cancelled', color: 'default', icon: <CancelIcon /> },
};

/** What a state is called. */
export const STATUS_LABELS = Object.fromEntries(
  Object.entries(LOOKS).map(([status, { label }]) => [status, label]),
) as Record<keyof typeof LOOKS, string>;

/** State of a job or a dataset: a word and a sign, never colour alone. */
export function StatusChip({ status }: { status: JobStatus | 'pending' | 'ready' }) {
  const { label, color, icon } = LOOKS[status];
  return <Chip size="small" variant="outlined" label={label} color={color} icon={icon} />;
}
