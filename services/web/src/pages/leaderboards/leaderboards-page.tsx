import { Button } from '@mui/material';
import { Link, useSearchParams } from 'react-router';
import {
  type LeaderboardSummary,
  useListDatasetsQuery,
  useListLeaderboardsQuery,
} from '../../api/generated/clove-api.js';
import { DataTable } from '../../components/data-table.js';
import { AddIcon } from '../../components/icons.js';
import { Page, Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { EmptyView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { formatSince } from '../../lib/format.js';
import { NewLeaderboard } from './new-leaderboard.js';

/** Every comparison of models, the latest first; and a new one. */
export function LeaderboardsPage() {
  const [params, setParams] = useSearchParams();
  const { data, error, isLoading, refetch } = useListLeaderboardsQuery({ limit: 50, cursor: useCursor() });
  const { data: datasets } = useListDatasetsQuery({ limit: 200 });
  const asked = params.has('dataset') || params.has('new');
  const nameOf = (id: string | null) => datasets?.items.find((dataset) => dataset.id === id)?.name ?? 'deleted';
  const start = (
    <Button component={Link} to="?new" variant="contained" startIcon={<AddIcon />}>
      Compare models
    </Button>
  );
  return (
    <Page
      title="Leaderboards"
      subtitle="Every kind of model and the usual rules of thumb, trained and judged on the same customers. The winner is chosen before the test is read."
      actions={start}
    >
      <Section flush>
        <DataTable<LeaderboardSummary>
          label="Leaderboards"
          rows={data?.items}
          loading={isLoading}
          error={error}
          onRetry={() => void refetch()}
          next={data?.next ?? null}
          rowHref={({ id }) => `/leaderboards/${id}`}
          empty={
            <EmptyView title="Nothing was compared yet" action={start}>
              A leaderboard tells which model to trust with your data, and what the data cannot support.
            </EmptyView>
          }
          columns={[
            {
              field: 'datasetId',
              headerName: 'Dataset',
              flex: 1,
              minWidth: 150,
              valueFormatter: (value: string | null) => nameOf(value),
            },
            {
              field: 'winner',
              headerName: 'Winner',
              flex: 1,
              minWidth: 170,
              valueFormatter: (value: string | null) => value ?? '–',
            },
            {
              field: 'status',
              headerName: 'State',
              width: 150,
              renderCell: ({ row }) => <StatusChip status={row.status} />,
            },
            {
              field: 'createdAt',
              headerName: 'Begun',
              width: 150,
              valueFormatter: (value: string) => formatSince(value),
            },
          ]}
        />
      </Section>
      {asked ? (
        <NewLeaderboard datasetId={params.get('dataset')} onClose={() => setParams({}, { replace: true })} />
      ) : null}
    </Page>
  );
}
