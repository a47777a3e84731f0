import { Box, LinearProgress, MenuItem, Stack, TextField, Typography } from '@mui/material';
import type { GridColDef } from '@mui/x-data-grid';
import { JobKind, JobStatus, isTerminal } from '@clove/contracts';
import { useMemo } from 'react';
import { useSearchParams } from 'react-router';
import { type Job, useListJobsQuery } from '../../api/generated/clove-api.js';
import { DataTable } from '../../components/data-table.js';
import { Page, Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { EmptyView } from '../../components/states.js';
import { STATUS_LABELS, StatusChip } from '../../components/status-chip.js';
import { formatDuration, formatPercent, formatSince } from '../../lib/format.js';
import { KINDS, workedSeconds } from './job-words.js';

const LIVE_MS = 2000;
const QUIET_MS = 10_000;

/** Every job, newest first, live: what it does, how far it is, how often it was tried. */
export function JobsPage() {
  const [search, setSearch] = useSearchParams();
  const cursor = useCursor();
  const status = JobStatus.safeParse(search.get('status')).data;
  const kind = JobKind.safeParse(search.get('kind')).data;
  const query = { limit: 50, cursor, status, kind };
  const known = useListJobsQuery(query, { pollingInterval: QUIET_MS, skipPollingIfUnfocused: true });
  const busy = known.data?.items.some((job) => !isTerminal(job.status)) ?? false;
  const { data, error, isFetching, refetch } = useListJobsQuery(query, {
    pollingInterval: busy ? LIVE_MS : QUIET_MS,
    skipPollingIfUnfocused: true,
  });
  const choose = (name: 'status' | 'kind') => (value: string) => {
    const changed = new URLSearchParams(search);
    changed.delete('cursor');
    if (value === '') changed.delete(name);
    else changed.set(name, value);
    setSearch(changed, { replace: true });
  };
  const columns = useMemo(() => COLUMNS, []);
  const filtered = status !== undefined || kind !== undefined;
  return (
    <Page
      title="Jobs"
      subtitle="The work behind datasets, trainings, evaluations and predictions. The list follows it live."
    >
      <Section flush>
        <Stack direction="row" sx={{ gap: 1.5, px: 2, py: 1.5, flexWrap: 'wrap' }}>
          <Choice label="State" value={status ?? ''} onChange={choose('status')} options={STATUS_LABELS_OF_JOBS} />
          <Choice label="Kind of work" value={kind ?? ''} onChange={choose('kind')} options={KINDS} />
        </Stack>
        <DataTable<Job>
          label="Jobs"
          rows={data?.items}
          loading={data === undefined && isFetching}
          error={error}
          onRetry={() => void refetch()}
          rowHref={({ id }) => `/jobs/${id}`}
          next={data?.next ?? null}
          columns={columns}
          phoneFields={PHONE_FIELDS}
          empty={
            <EmptyView title={filtered ? 'No job is like that' : 'No jobs yet'}>
              {filtered
                ? 'Choose another state or kind of work.'
                : 'A job is made whenever a dataset is read, a model is trained or customers are scored.'}
            </EmptyView>
          }
        />
      </Section>
    </Page>
  );
}

const PHONE_FIELDS = ['kind', 'status'];
const STATUS_LABELS_OF_JOBS = Object.fromEntries(JobStatus.options.map((status) => [status, STATUS_LABELS[status]]));

const COLUMNS: GridColDef<Job>[] = [
  { field: 'kind', headerName: 'Work', flex: 1, minWidth: 150, valueFormatter: (kind: JobKind) => KINDS[kind] },
  { field: 'status', headerName: 'State', width: 140, renderCell: ({ row }) => <StatusChip status={row.status} /> },
  {
    field: 'progress',
    headerName: 'Progress',
    flex: 2,
    minWidth: 220,
    sortable: false,
    renderCell: ({ row }) => <Progress job={row} />,
  },
  {
    field: 'attempts',
    headerName: 'Attempts',
    type: 'number',
    width: 100,
    valueGetter: (_value, row) => row.attempts.length,
  },
  { field: 'createdAt', headerName: 'Asked for', width: 140, valueFormatter: (value: string) => formatSince(value) },
  {
    field: 'took',
    headerName: 'Took',
    width: 110,
    align: 'right',
    headerAlign: 'right',
    valueGetter: (_value, row) => workedSeconds(row),
    valueFormatter: (value: number | null) => formatDuration(value),
  },
];

function Progress({ job }: { job: Job }) {
  const text = job.error?.message ?? job.stage;
  if (isTerminal(job.status) || job.status === 'queued') {
    return (
      <Typography
        variant="body2"
        noWrap
        color={job.error === null ? 'text.secondary' : 'error'}
        title={text}
        sx={{ lineHeight: 'inherit' }}
      >
        {job.status === 'succeeded' ? '' : text}
      </Typography>
    );
  }
  return (
    <Stack sx={{ height: '100%', justifyContent: 'center', gap: 0.5, pr: 1 }}>
      <Typography variant="caption" noWrap color="textSecondary" sx={{ lineHeight: 1.2 }}>
        {job.cancelRequested ? 'Being cancelled' : `${text}, ${formatPercent(job.progress, 0)}`}
      </Typography>
      <LinearProgress
        variant="determinate"
        value={job.progress * 100}
        aria-label={text || 'Progress'}
        sx={{ borderRadius: 2 }}
      />
    </Stack>
  );
}

function Choice(props: {
  label: string;
  value: string;
  options: Readonly<Record<string, string>>;
  onChange: (value: string) => void;
}) {
  const { label, value, options, onChange } = props;
  return (
    <Box sx={{ minWidth: { xs: '100%', sm: 180 } }}>
      <TextField
        select
        fullWidth
        label={label}
        value={value}
        onChange={(event) => onChange(event.target.value)}
        slotProps={{ inputLabel: { shrink: true }, select: { displayEmpty: true } }}
      >
        <MenuItem value="">All</MenuItem>
        {Object.entries(options).map(([key, text]) => (
          <MenuItem key={key} value={key}>
            {text}
          </MenuItem>
        ))}
      </TextField>
    </Box>
  );
}
