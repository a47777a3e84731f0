import { Button } from '@mui/material';
import { Link } from 'react-router';
import { type RunSummary, useListRunsQuery } from '../../api/generated/clove-api.js';
import { DataTable } from '../../components/data-table.js';
import { AddIcon } from '../../components/icons.js';
import { Page, Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { EmptyView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { formatSince } from '../../lib/format.js';
import { MODEL_TYPES } from '../../lib/words.js';

/** Every training, the latest first. */
export function RunsPage() {
  const { data, error, isLoading, refetch } = useListRunsQuery({ limit: 50, cursor: useCursor() });
  const start = (
    <Button component={Link} to="/training/new" variant="contained" startIcon={<AddIcon />}>
      New training
    </Button>
  );
  return (
    <Page
      title="Training"
      subtitle="Each training makes a new version of a model."
      actions={
        <>
          {start}
          {(data?.items.length ?? 0) < 2 ? null : (
            <Button component={Link} to="/training/compare" variant="outlined">
              Compare
            </Button>
          )}
        </>
      }
    >
      <Section flush>
        <DataTable<RunSummary>
          label="Trainings"
          rows={data?.items}
          loading={isLoading}
          error={error}
          onRetry={() => void refetch()}
          next={data?.next ?? null}
          rowHref={({ id }) => `/training/${id}`}
          empty={
            <EmptyView title="Nothing was trained yet" action={start}>
              A training learns from a dataset and tells how good the model is on customers that it has not seen.
            </EmptyView>
          }
          columns={[
            {
              field: 'modelName',
              headerName: 'Model',
              flex: 1,
              minWidth: 130,
              valueGetter: (_value, row) => (row.version === null ? row.modelName : `${row.modelName} ${row.version}`),
            },
            {
              field: 'type',
              headerName: 'Type',
              flex: 1,
              minWidth: 170,
              valueGetter: (_value, row) => MODEL_TYPES[row.options.model],
            },
            {
              field: 'status',
              headerName: 'State',
              width: 150,
              renderCell: ({ row }) => <StatusChip status={row.status} />,
            },
            { field: 'backend', headerName: 'Trained on', flex: 1, minWidth: 150 },
            {
              field: 'createdAt',
              headerName: 'Begun',
              width: 150,
              valueFormatter: (value: string) => formatSince(value),
            },
          ]}
        />
      </Section>
    </Page>
  );
}
