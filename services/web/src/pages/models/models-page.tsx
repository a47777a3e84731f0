import { Button } from '@mui/material';
import { Link } from 'react-router';
import { type Model, useListModelsQuery } from '../../api/generated/clove-api.js';
import { DataTable } from '../../components/data-table.js';
import { Page, Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { EmptyView } from '../../components/states.js';
import { formatCount, formatSince } from '../../lib/format.js';

/** Every model of the registry. */
export function ModelsPage() {
  const { data, error, isLoading, refetch } = useListModelsQuery({ limit: 50, cursor: useCursor() });
  return (
    <Page title="Models" subtitle="A model has versions, which never change; the alias champion says which one scores.">
      <Section flush>
        <DataTable<Model>
          label="Models"
          rows={data?.items}
          loading={isLoading}
          error={error}
          onRetry={() => void refetch()}
          next={data?.next ?? null}
          rowHref={({ name }) => `/models/${encodeURIComponent(name)}`}
          empty={
            <EmptyView
              title="No models yet"
              action={
                <Button component={Link} to="/training/new" variant="contained">
                  Train a model
                </Button>
              }
            >
              Each training adds a version here.
            </EmptyView>
          }
          columns={[
            { field: 'name', headerName: 'Name', flex: 1, minWidth: 150 },
            { field: 'versions', headerName: 'Versions', type: 'number', width: 110, valueFormatter: formatCount },
            {
              field: 'champion',
              headerName: 'Champion',
              width: 130,
              valueGetter: (_value, row) => row.aliases['champion'],
              valueFormatter: (value: number | undefined) => (value === undefined ? 'none' : `version ${value}`),
            },
            {
              field: 'aliases',
              headerName: 'Other aliases',
              flex: 1,
              minWidth: 150,
              valueFormatter: (value: Record<string, number>) =>
                Object.entries(value)
                  .filter(([alias]) => alias !== 'champion')
                  .map(([alias, version]) => `${alias} ${version}`)
                  .join(', '),
            },
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
