import { Box, Button, LinearProgress, Stack, Typography } from '@mui/material';
import { isTerminal } from '@clove/contracts';
import type { ReactNode } from 'react';
import { useCancelJobMutation, useRetryJobMutation } from '../api/generated/clove-api.js';
import { type JobListener, useLiveJob } from '../api/jobs.js';
import { useMay } from '../api/session.js';
import { formatPercent } from '../lib/format.js';
import { ErrorView, LoadingView } from './states.js';
import { StatusChip } from './status-chip.js';

type JobProgressProps = JobListener & {
  jobId: string;
  /** what stands in place of the bar once the job has succeeded; nothing when left out */
  done?: ReactNode;
};

/** A job live: what it does, how far it is, cancel; where it failed, why, what to do, and retry. */
export function JobProgress({ jobId, onEpoch, onLog, done = null }: JobProgressProps) {
  const { job, error, refetch } = useLiveJob(jobId, { onEpoch, onLog });
  const [cancel, cancelling] = useCancelJobMutation();
  const [retry, retrying] = useRetryJobMutation();
  const may = useMay('analyst');
  if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
  if (job === undefined) return <LoadingView label="Looking the job up" />;
  if (job.status === 'succeeded') return <>{done}</>;

  const over = isTerminal(job.status);
  const percent = Math.round(job.progress * 100);
  const attempts = job.attempts.length > 1 ? `, attempt ${job.attempts.length}` : '';
  return (
    <Stack sx={{ gap: 1.5 }}>
      <Stack direction="row" sx={{ gap: 1.5, alignItems: 'center', flexWrap: 'wrap' }}>
        <StatusChip status={job.status} />
        <Typography variant="body2" color="textSecondary" role="status" sx={{ flex: 1, minWidth: 0 }}>
          {job.cancelRequested && !over ? 'Being cancelled' : job.stage}
          {over ? '' : `, ${formatPercent(job.progress, 0)}`}
          {attempts}
        </Typography>
        {over ? (
          <Button
            size="small"
            variant="outlined"
            loading={retrying.isLoading}
            disabled={!may}
            onClick={() => void retry({ id: job.id })}
          >
            Try again
          </Button>
        ) : (
          <Button
            size="small"
            color="inherit"
            disabled={job.cancelRequested || !may}
            loading={cancelling.isLoading}
            onClick={() => void cancel({ id: job.id })}
          >
            Cancel
          </Button>
        )}
      </Stack>
      {over ? null : (
        <Box>
          <LinearProgress
            aria-label={job.stage || 'Progress'}
            variant={job.status === 'queued' ? 'indeterminate' : 'determinate'}
            value={percent}
            sx={{ height: 6, borderRadius: 3 }}
          />
        </Box>
      )}
      {job.error === null ? null : (
        <ErrorView
          title={job.error.retryable ? 'It failed, and may work the next time' : 'It failed'}
          error={new Error(job.error.message)}
        />
      )}
      {cancelling.error === undefined ? null : <ErrorView error={cancelling.error} />}
      {retrying.error === undefined ? null : <ErrorView error={retrying.error} />}
    </Stack>
  );
}
