import { Button, Stack, Tab, Tabs, Tooltip } from '@mui/material';
import { useState } from 'react';
import { Link, useNavigate, useParams, useSearchParams } from 'react-router';
import {
  type Dataset,
  type DatasetProfile,
  cloveApi,
  useDeleteDatasetMutation,
  useGetDatasetDependentsQuery,
  useGetDatasetProfileQuery,
  useGetDatasetQuery,
  useGetDatasetRowsQuery,
} from '../../api/generated/clove-api.js';
import { useAppDispatch } from '../../app/store.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { RowsTable, useRowsQuery } from '../../components/data-table.js';
import { DeleteIcon } from '../../components/icons.js';
import { JobProgress } from '../../components/job-progress.js';
import { Facts, Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { Warnings } from '../../components/warnings.js';
import { formatBytes, formatCount, formatDay, formatInstant, formatMoney } from '../../lib/format.js';
import { ProfileTable } from '../../components/profile-table.js';
import { RejectedRows } from './rejected-rows.js';

// The page of a deleted dataset would fetch it anew, and not find it: it is left first.
cloveApi.enhanceEndpoints({ endpoints: { deleteDataset: { invalidatesTags: [] } } });

const TABS = ['columns', 'rows', 'rejected'] as const;

/** One dataset: what was found in it, its rows, what was not taken and why. */
export function DatasetPage() {
  const { id = '' } = useParams();
  const { data: dataset, error, refetch } = useGetDatasetQuery({ id });
  if (dataset === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the dataset" />;
  }
  const ready = dataset.status === 'ready';
  return (
    <Page
      title={dataset.name}
      parents={[{ label: 'Datasets', to: '/datasets' }]}
      badge={<StatusChip status={dataset.status} />}
      subtitle={sourceOf(dataset)}
      actions={<Actions dataset={dataset} />}
    >
      {ready || dataset.jobId === null ? null : (
        <Section title={dataset.status === 'failed' ? 'It could not be read' : 'Being read'}>
          <JobProgress jobId={dataset.jobId} />
        </Section>
      )}
      {ready ? <Contents dataset={dataset} /> : null}
    </Page>
  );
}

const sourceOf = ({ source, createdAt }: Dataset): string => {
  const files = source.files.map(({ name, bytes }) => `${name} (${formatBytes(bytes)})`).join(', ');
  return `${source.type === 'generator' ? 'Generated' : `Uploaded: ${files}`}, ${formatInstant(createdAt)}`;
};

function Actions({ dataset }: { dataset: Dataset }) {
  const [asking, setAsking] = useState(false);
  return (
    <>
      {dataset.status === 'ready' ? (
        <>
          <Button component={Link} to={`/training/new?dataset=${dataset.id}`} variant="contained">
            Train a model
          </Button>
          <Button component={Link} to={`/predict?dataset=${dataset.id}`} variant="outlined">
            Predict
          </Button>
        </>
      ) : null}
      <Tooltip title="Delete the dataset">
        <Button color="inherit" aria-label="Delete the dataset" onClick={() => setAsking(true)} sx={{ minWidth: 0 }}>
          <DeleteIcon fontSize="small" />
        </Button>
      </Tooltip>
      {asking ? <DeleteDialog dataset={dataset} onClose={() => setAsking(false)} /> : null}
    </>
  );
}

function DeleteDialog({ dataset, onClose }: { dataset: Dataset; onClose: () => void }) {
  const navigate = useNavigate();
  const dispatch = useAppDispatch();
  const [remove] = useDeleteDatasetMutation();
  const { data: dependents, error } = useGetDatasetDependentsQuery({ id: dataset.id });
  const made =
    dependents === undefined
      ? []
      : [
          count(dependents.runs, 'training'),
          count(dependents.leaderboards, 'leaderboard'),
          count(dependents.evaluations, 'evaluation'),
          count(dependents.predictions, 'prediction'),
        ].flatMap((text) => text ?? []);
  return (
    <ConfirmDialog
      open
      destructive
      title={`Delete ${dataset.name}?`}
      action="Delete the dataset"
      onConfirm={async () => {
        await remove({ id: dataset.id }).unwrap();
        await navigate('/datasets', { flushSync: true });
        dispatch(cloveApi.util.invalidateTags(['datasets']));
      }}
      onClose={onClose}
    >
      {error === undefined ? null : <ErrorView error={error} />}
      <p style={{ marginTop: 0 }}>Its files and rows are removed and do not come back.</p>
      {made.length === 0 ? null : <p>It was used for {made.join(', ')}.</p>}
      {dependents === undefined || dependents.models.length === 0 ? null : (
        <p>The models trained on it stay: {dependents.models.join(', ')}.</p>
      )}
      {dependents === undefined || dependents.activeJobs.length === 0 ? null : (
        <p>
          A job works on it now ({dependents.activeJobs.map((job) => job.kind).join(', ')}): wait for its end or cancel
          it first.
        </p>
      )}
    </ConfirmDialog>
  );
}

const count = (n: number, noun: string): string | null =>
  n === 0 ? null : `${formatCount(n)} ${noun}${n === 1 ? '' : 's'}`;

function Contents({ dataset }: { dataset: Dataset }) {
  const { data: profile, error, refetch } = useGetDatasetProfileQuery({ id: dataset.id });
  const [params, setParams] = useSearchParams();
  const tab = TABS.find((one) => one === params.get('tab')) ?? 'columns';
  if (profile === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the profile" />;
  }
  return (
    <>
      <Section>
        <Facts items={factsOf(dataset, profile)} />
      </Section>
      <Warnings warnings={profile.warnings} />
      <Section flush>
        <Tabs
          value={tab}
          onChange={(_event, chosen: string) =>
            setParams(chosen === 'columns' ? {} : { tab: chosen }, { replace: true })
          }
          aria-label="Contents"
          variant="scrollable"
          sx={{ borderBottom: 1, borderColor: 'divider', px: 1 }}
        >
          <Tab value="columns" label={`Columns (${formatCount(profile.columns.length)})`} id="tab-columns" />
          <Tab value="rows" label={`Rows (${formatCount(profile.rows)})`} id="tab-rows" />
          <Tab value="rejected" label={`Rejected (${formatCount(profile.rejectedRows)})`} id="tab-rejected" />
        </Tabs>
        <Stack role="tabpanel" aria-labelledby={`tab-${tab}`}>
          {tab === 'columns' ? <ProfileTable profile={profile} /> : null}
          {tab === 'rows' ? <Rows id={dataset.id} /> : null}
          {tab === 'rejected' ? <RejectedRows profile={profile} /> : null}
        </Stack>
      </Section>
    </>
  );
}

function factsOf({ erasedCustomers, erasedAt }: Dataset, profile: DatasetProfile) {
  const { kind, rows, customers, orders, firstTime, lastTime, totalAmount, currency } = profile;
  const orderFacts =
    kind === 'transactions'
      ? [
          { label: 'Orders', value: formatCount(orders) },
          { label: 'From', value: formatDay(firstTime?.slice(0, 10)) },
          { label: 'To', value: formatDay(lastTime?.slice(0, 10)) },
          { label: 'Total spend', value: formatMoney(totalAmount, currency) },
        ]
      : [{ label: 'Target', value: profile.targetColumn ?? 'none' }];
  return [
    { label: 'Holds', value: kind === 'transactions' ? 'Orders' : 'Customers' },
    { label: 'Rows', value: formatCount(rows) },
    { label: 'Customers', value: formatCount(customers) },
    ...orderFacts,
    { label: 'Rejected rows', value: formatCount(profile.rejectedRows) },
    { label: 'Doubled rows', value: formatCount(profile.duplicateRows), hint: 'kept' },
    ...(erasedAt === null
      ? []
      : [{ label: 'Erased customers', value: formatCount(erasedCustomers), hint: `last ${formatInstant(erasedAt)}` }]),
  ];
}

const COLUMNS = {
  time: { minWidth: 190, valueFormatter: (value: string | null) => formatInstant(value) },
};

function Rows({ id }: { id: string }) {
  const [query, setQuery] = useRowsQuery();
  const { currentData, data, error, isFetching, refetch } = useGetDatasetRowsQuery({ id, ...query });
  return (
    <RowsTable
      label="Rows of the dataset"
      page={currentData ?? data}
      loading={isFetching}
      error={error}
      onRetry={() => void refetch()}
      query={query}
      onQuery={setQuery}
      search="Find a customer"
      columns={COLUMNS}
    />
  );
}
