import { type AuditEntry, useListAuditQuery } from '../../api/generated/clove-api.js';
import { DataTable } from '../../components/data-table.js';
import { Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { EmptyView } from '../../components/states.js';
import { formatInstant } from '../../lib/format.js';

/** `startRun` → `Start run`. */
const inWords = (action: string): string => {
  const words = action.replaceAll(/([a-z])([A-Z])/g, '$1 $2').toLowerCase();
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}`;
};

/** Who changed what, newest first. */
export function ActivityTab() {
  const cursor = useCursor();
  const { data, error, isLoading, refetch } = useListAuditQuery({ limit: 50, cursor });
  return (
    <Section flush title="Who did what" subtitle="Every change that was made here or through the API.">
      <DataTable<AuditEntry>
        label="Changes"
        rows={data?.items}
        loading={isLoading}
        error={error}
        onRetry={() => void refetch()}
        next={data?.next ?? null}
        phoneFields={['actor', 'action']}
        empty={<EmptyView title="Nothing has been changed yet" />}
        columns={[
          { field: 'createdAt', headerName: 'When', width: 190, valueFormatter: (at: string) => formatInstant(at) },
          { field: 'actor', headerName: 'Who', width: 130 },
          { field: 'action', headerName: 'What', width: 180, valueFormatter: inWords },
          {
            field: 'resource',
            headerName: 'Of',
            flex: 1,
            minWidth: 160,
            valueGetter: (_value, { resource }) => (resource === null ? '' : `${resource.type} ${resource.id}`),
          },
          {
            field: 'details',
            headerName: 'Details',
            flex: 1,
            minWidth: 160,
            sortable: false,
            valueGetter: (_value, { details }) =>
              Object.entries(details)
                .map(([name, value]) => `${name}: ${String(value)}`)
                .join(', '),
          },
          {
            field: 'via',
            headerName: 'By',
            width: 100,
            valueFormatter: (via: AuditEntry['via']) => (via === 'session' ? 'Browser' : 'API key'),
          },
        ]}
      />
    </Section>
  );
}
