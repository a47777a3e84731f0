import { Button, Table, TableBody, TableCell, TableContainer, TableHead, TableRow, Typography } from '@mui/material';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import type { Job, JobLogLine } from '../../api/generated/clove-api.js';
import { useLiveJob } from '../../api/jobs.js';
import { JobLog } from '../../components/job-log.js';
import { JobProgress } from '../../components/job-progress.js';
import { Facts, Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { formatDuration, formatInstant } from '../../lib/format.js';
import { resultHref } from '../../lib/links.js';
import { KINDS, RESULTS, workedSeconds } from './job-words.js';

const UP = [{ label: 'Jobs', to: '/jobs' }];

/** One job: how far it is, every attempt, what went wrong and what to do, its log. */
export function JobPage() {
  const { id = '' } = useParams();
  const [lines, setLines] = useState<readonly JobLogLine[]>([]);
  const { job, error, refetch } = useLiveJob(id, {
    onLog: (line) =>
      setLines((known) => (known.some(({ number }) => number === line.number) ? known : [...known, line])),
  });
  if (error !== undefined) {
    return (
      <Page title="Job" parents={UP}>
        <ErrorView error={error} onRetry={() => void refetch()} />
      </Page>
    );
  }
  if (job === undefined) return <LoadingView label="Loading the job" />;
  const title = KINDS[job.kind];
  return (
    <Page
      title={title}
      parents={UP}
      badge={job.status === 'succeeded' ? <StatusChip status="succeeded" /> : undefined}
      actions={
        job.resource.type === 'evaluation' ? undefined : (
          <Button component={Link} to={resultHref(job)} variant={job.status === 'succeeded' ? 'contained' : 'outlined'}>
            Open the {RESULTS[job.resource.type]}
          </Button>
        )
      }
    >
      {job.status === 'succeeded' ? null : (
        <Section>
          <JobProgress jobId={job.id} />
        </Section>
      )}
      <Section title="What happened">
        <Facts
          items={[
            { label: 'Asked for', value: formatInstant(job.createdAt) },
            { label: 'Begun', value: formatInstant(job.startedAt) },
            { label: 'Ended', value: formatInstant(job.finishedAt) },
            { label: 'At work', value: formatDuration(workedSeconds(job)) },
          ]}
        />
        <Typography
          variant="caption"
          component="p"
          color="textSecondary"
          sx={{ mt: 2, mb: 0, overflowWrap: 'anywhere' }}
        >
          Job {job.id}, request {job.requestId}
        </Typography>
      </Section>
      {job.attempts.length === 0 ? null : (
        <Section title="Attempts" flush>
          <Attempts job={job} />
        </Section>
      )}
      <JobLog key={job.attempts.length} id={job.id} told={lines} />
    </Page>
  );
}

function Attempts({ job }: { job: Job }) {
  return (
    <TableContainer tabIndex={0} role="region" aria-label="Attempts">
      <Table size="small">
        <TableHead>
          <TableRow>
            <TableCell>No.</TableCell>
            <TableCell>State</TableCell>
            <TableCell>Begun</TableCell>
            <TableCell>Ended</TableCell>
            <TableCell>Worker</TableCell>
            <TableCell>Error</TableCell>
          </TableRow>
        </TableHead>
        <TableBody>
          {job.attempts.map((attempt) => (
            <TableRow key={attempt.number}>
              <TableCell>{attempt.number}</TableCell>
              <TableCell>
                {attempt.status === 'lost' ? 'Worker lost' : <StatusChip status={attempt.status} />}
              </TableCell>
              <TableCell sx={{ whiteSpace: 'nowrap' }}>{formatInstant(attempt.startedAt)}</TableCell>
              <TableCell sx={{ whiteSpace: 'nowrap' }}>{formatInstant(attempt.finishedAt)}</TableCell>
              <TableCell>{attempt.worker}</TableCell>
              <TableCell sx={{ minWidth: 200 }}>{attempt.error?.message}</TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </TableContainer>
  );
}
