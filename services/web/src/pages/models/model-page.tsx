import { Button, Chip, Stack } from '@mui/material';
import { useState } from 'react';
import { Link, useParams } from 'react-router';
import {
  type AliasMove,
  type Model,
  type ModelVersionSummary,
  useGetModelQuery,
  useListAliasMovesQuery,
  useListVersionsQuery,
  useRemoveAliasMutation,
} from '../../api/generated/clove-api.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { DataTable } from '../../components/data-table.js';
import { Page, Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { formatChange, formatInstant, formatNumber, formatPercent, formatSince } from '../../lib/format.js';
import { MODEL_TYPES } from '../../lib/words.js';
import { MoveAlias } from './move-alias.js';
import { RollBack } from './roll-back.js';

/** One model: its aliases and where they point, its versions, who moved what when and why. */
export function ModelPage() {
  const { name = '' } = useParams();
  const { data: model, error, refetch } = useGetModelQuery({ name });
  if (model === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the model" />;
  }
  return (
    <Page
      title={model.name}
      parents={[{ label: 'Models', to: '/models' }]}
      actions={
        model.latestVersion === null ? undefined : (
          <Button component={Link} to={`/predict?model=${model.name}`} variant="outlined">
            Predict
          </Button>
        )
      }
    >
      <Aliases model={model} />
      <Versions name={model.name} />
      <History name={model.name} />
    </Page>
  );
}

function Aliases({ model }: { model: Model }) {
  const [moving, setMoving] = useState<string | null>(null);
  const [back, setBack] = useState<string | null>(null);
  const [removing, setRemoving] = useState<string | null>(null);
  const [remove] = useRemoveAliasMutation();
  const aliases = [...new Set(['champion', ...Object.keys(model.aliases)])];
  return (
    <Section
      title="Aliases"
      subtitle="Predictions that name no version use the champion."
      actions={
        <Button size="small" onClick={() => setMoving('challenger')} disabled={model.latestVersion === null}>
          Set an alias
        </Button>
      }
    >
      <Stack sx={{ gap: 1.5 }}>
        {aliases.map((alias) => {
          const version = model.aliases[alias];
          return (
            <Stack key={alias} direction="row" sx={{ gap: 1.5, alignItems: 'center', flexWrap: 'wrap' }}>
              <Chip color={alias === 'champion' ? 'primary' : 'default'} label={alias} />
              {version === undefined ? (
                'points nowhere'
              ) : (
                <Button component={Link} size="small" to={`/models/${encodeURIComponent(model.name)}/${version}`}>
                  Version {version}
                </Button>
              )}
              <Stack direction="row" sx={{ gap: 0.5, ml: { sm: 'auto' } }}>
                <Button size="small" onClick={() => setMoving(alias)} disabled={model.latestVersion === null}>
                  Move
                </Button>
                <Button size="small" color="inherit" onClick={() => setBack(alias)} disabled={version === undefined}>
                  Roll back
                </Button>
                <Button
                  size="small"
                  color="inherit"
                  onClick={() => setRemoving(alias)}
                  disabled={version === undefined}
                  aria-label={`Remove the alias ${alias}`}
                >
                  Remove
                </Button>
              </Stack>
            </Stack>
          );
        })}
      </Stack>
      {moving === null ? null : <MoveAlias model={model} alias={moving} onClose={() => setMoving(null)} />}
      {back === null ? null : <RollBack model={model} alias={back} onClose={() => setBack(null)} />}
      {removing === null ? null : (
        <ConfirmDialog
          open
          destructive
          title={`Remove the alias ${removing}?`}
          action="Remove the alias"
          onConfirm={() => remove({ name: model.name, alias: removing }).unwrap()}
          onClose={() => setRemoving(null)}
        >
          The version stays.{' '}
          {removing === 'champion' ? 'Until there is another champion the latest version scores.' : ''}
        </ConfirmDialog>
      )}
    </Section>
  );
}

function Versions({ name }: { name: string }) {
  const { data, error, isLoading, refetch } = useListVersionsQuery({ name, limit: 50, cursor: useCursor() });
  return (
    <Section title="Versions" flush>
      <DataTable<ModelVersionSummary>
        label="Versions"
        rows={data?.items}
        loading={isLoading}
        error={error}
        onRetry={() => void refetch()}
        next={data?.next ?? null}
        rowHref={({ version }) => `/models/${encodeURIComponent(name)}/${version}`}
        columns={[
          { field: 'version', headerName: 'Version', width: 100 },
          {
            field: 'aliases',
            headerName: 'Aliases',
            flex: 1,
            minWidth: 120,
            valueFormatter: (value: string[]) => value.join(', '),
          },
          {
            field: 'type',
            headerName: 'Type',
            flex: 1,
            minWidth: 170,
            valueGetter: (_value, row) => MODEL_TYPES[row.type],
          },
          {
            field: 'totalBias',
            headerName: 'Total bias',
            type: 'number',
            width: 110,
            valueGetter: (_value, row) => row.metrics?.totalBias,
            valueFormatter: (value: number | null | undefined) => formatChange(value),
          },
          {
            field: 'normalizedGini',
            headerName: 'Ranking',
            type: 'number',
            width: 110,
            valueGetter: (_value, row) => row.metrics?.normalizedGini,
            valueFormatter: (value: number | null | undefined) => formatNumber(value, 3),
          },
          {
            field: 'decileMape',
            headerName: 'Decile error',
            type: 'number',
            width: 120,
            valueGetter: (_value, row) => row.metrics?.decileMape,
            valueFormatter: (value: number | null | undefined) => formatPercent(value),
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
  );
}

const movement = ({ former, version }: AliasMove): string =>
  version === null
    ? `removed from ${former ?? 'nowhere'}`
    : former === null
      ? `set to ${version}`
      : `${former} → ${version}`;

function History({ name }: { name: string }) {
  const { data, error, refetch } = useListAliasMovesQuery({ name, limit: 100 });
  if (data?.items.length === 0) return null;
  return (
    <Section title="Who moved what" flush>
      <DataTable<AliasMove>
        label="Moves of aliases"
        rows={data?.items}
        error={error}
        onRetry={() => void refetch()}
        columns={[
          {
            field: 'createdAt',
            headerName: 'When',
            width: 190,
            valueFormatter: (value: string) => formatInstant(value),
          },
          { field: 'movedBy', headerName: 'Who', width: 130 },
          { field: 'alias', headerName: 'Alias', width: 120 },
          { field: 'move', headerName: 'Move', width: 160, valueGetter: (_value, row) => movement(row) },
          {
            field: 'forced',
            headerName: 'Gates',
            width: 130,
            valueGetter: (_value, row) => (row.forced ? 'overridden' : row.gates.length === 0 ? '' : 'passed'),
          },
          { field: 'reason', headerName: 'Why', flex: 1, minWidth: 160 },
        ]}
      />
    </Section>
  );
}
