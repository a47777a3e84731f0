import { Button } from '@mui/material';
import { Link } from 'react-router';
import { type Dataset, useListDatasetsQuery } from '../../api/generated/clove-api.js';
import { DataTable } from '../../components/data-table.js';
import { AddIcon } from '../../components/icons.js';
import { Page, Section } from '../../components/page.js';
import { EmptyView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { formatCount, formatSince } from '../../lib/format.js';

/** What was uploaded or generated. */
export function DatasetsPage() {
  const { data, error, isLoading, refetch } = useListDatasetsQuery({ limit: 200 });
  return (
    <Page
      title="Datasets"
      actions={
        <Button component={Link} to="/datasets/new" variant="contained" startIcon={<AddIcon />}>
          New dataset
        </Button>
      }
    >
      <Section flush>
        <DataTable<Dataset>
          label="Datasets"
          rows={data?.items}
          loading={isLoading}
          error={error}
          onRetry={() => void refetch()}
          rowHref={({ id }) => `/datasets/${id}`}
          empty={<EmptyView title="No datasets yet">Upload orders or customers as CSV or Parquet.</EmptyView>}
          columns={[
            { field: 'name', headerName: 'Name', flex: 2, minWidth: 180 },
            {
              field: 'status',
              headerName: 'State',
              width: 150,
              renderCell: ({ row }) => <StatusChip status={row.status} />,
            },
            { field: 'rows', headerName: 'Rows', type: 'number', width: 120, valueFormatter: formatCount },
            { field: 'customers', headerName: 'Customers', type: 'number', width: 120, valueFormatter: formatCount },
            {
              field: 'createdAt',
              headerName: 'Made',
              width: 150,
              valueFormatter: (value: string) => formatSince(value),
            },
          ]}
        />
      </Section>
    </Page>
  );
}
