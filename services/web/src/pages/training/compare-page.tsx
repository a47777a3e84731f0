import {
  Autocomplete,
  Box,
  Link,
  Table,
  TableBody,
  TableCell,
  TableContainer,
  TableHead,
  TableRow,
  TextField,
} from '@mui/material';
import { Link as RouterLink, useSearchParams } from 'react-router';
import { type Run, type RunSummary, useCompareRunsQuery, useListRunsQuery } from '../../api/generated/clove-api.js';
import { Page, Section } from '../../components/page.js';
import { EmptyView, ErrorView, LoadingView } from '../../components/states.js';
import { formatSince } from '../../lib/format.js';
import { METRICS, MODEL_TYPES } from '../../lib/words.js';

const MOST = 20;
const HIGHER_IS_BETTER = new Set(['normalizedGini', 'r2', 'spearman', 'auc']);
const number = { textAlign: 'right', fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' } as const;

const nameOf = (run: RunSummary | Run): string =>
  run.version === null ? `${run.modelName}, ${formatSince(run.createdAt)}` : `${run.modelName} ${run.version}`;

/** Trainings side by side: their figures, the best of each marked, and the options in which they differ. */
export function ComparePage() {
  const [params, setParams] = useSearchParams();
  const ids = (params.get('ids') ?? '').split(',').filter((id) => id !== '');
  const { data: all } = useListRunsQuery({ limit: 200, status: 'succeeded' });
  const { currentData, error, refetch } = useCompareRunsQuery({ ids: ids.join(',') }, { skip: ids.length < 2 });
  const known = all?.items ?? [];
  return (
    <Page title="Compare trainings" parents={[{ label: 'Training', to: '/training' }]}>
      <Section>
        <Autocomplete
          multiple
          options={known}
          value={known.filter(({ id }) => ids.includes(id))}
          getOptionLabel={(run) => `${nameOf(run)} · ${MODEL_TYPES[run.options.model]}`}
          getOptionKey={({ id }) => id}
          isOptionEqualToValue={(a, b) => a.id === b.id}
          getOptionDisabled={({ id }) => ids.length >= MOST && !ids.includes(id)}
          onChange={(_event, chosen) => {
            setParams(chosen.length === 0 ? {} : { ids: chosen.map(({ id }) => id).join(',') }, { replace: true });
          }}
          renderInput={(props) => (
            <TextField {...props} label="Trainings" helperText={`Two or more, at most ${MOST}`} />
          )}
        />
      </Section>
      {ids.length < 2 ? (
        <Section>
          <EmptyView title="Choose two trainings or more">Their figures and options stand side by side then.</EmptyView>
        </Section>
      ) : error !== undefined ? (
        <ErrorView error={error} onRetry={() => void refetch()} />
      ) : currentData === undefined ? (
        <LoadingView label="Loading the trainings" />
      ) : (
        <Comparison runs={currentData.items} />
      )}
    </Page>
  );
}

function Comparison({ runs }: { runs: readonly Run[] }) {
  const tests = new Set(runs.map((run) => `${run.datasetId ?? ''} ${run.evaluation?.protocol.testOrigin ?? ''}`));
  return (
    <>
      <Section
        title="Figures"
        subtitle={
          tests.size > 1
            ? 'On different data or test origins: the figures cannot be held against each other as they are.'
            : 'On the same test. The best of each line stands out.'
        }
        flush
      >
        <SideBySide
          label="Figures"
          runs={runs}
          lines={METRICS.flatMap(({ key, label, format }) => {
            const values = runs.map((run) => run.evaluation?.metrics[key] ?? null);
            if (values.every((value) => value === null)) return [];
            const distance = (value: number) =>
              HIGHER_IS_BETTER.has(key) ? -value : key === 'coverage80' ? Math.abs(value - 0.8) : Math.abs(value);
            const best = Math.min(...values.flatMap((value) => (value === null ? [] : [distance(value)])));
            return [
              {
                label,
                cells: values.map((value) => ({
                  text: format(value),
                  best: value !== null && distance(value) === best,
                })),
              },
            ];
          })}
        />
      </Section>
      <Section title="Options in which they differ" flush>
        <SideBySide label="Options" runs={runs} lines={differences(runs)} />
      </Section>
    </>
  );
}

const differences = (runs: readonly Run[]) =>
  Object.keys(runs[0]?.options ?? {}).flatMap((name) => {
    const texts = runs.map((run) => {
      const value: unknown = run.options[name as keyof Run['options']];
      return Array.isArray(value) ? value.join(', ') : value === undefined ? '–' : String(value);
    });
    if (new Set(texts).size < 2) return [];
    return [{ label: name, cells: texts.map((text) => ({ text, best: false })) }];
  });

type Line = { label: string; cells: { text: string; best: boolean }[] };

function SideBySide({ label, runs, lines }: { label: string; runs: readonly Run[]; lines: readonly Line[] }) {
  if (lines.length === 0) return <Box sx={{ px: 2.5, pb: 2, typography: 'body2' }}>None.</Box>;
  return (
    <TableContainer tabIndex={0} role="region" aria-label={label}>
      <Table size="small">
        <TableHead>
          <TableRow>
            <TableCell />
            {runs.map((run) => (
              <TableCell key={run.id} sx={number}>
                <Link component={RouterLink} to={`/training/${run.id}`}>
                  {nameOf(run)}
                </Link>
              </TableCell>
            ))}
          </TableRow>
        </TableHead>
        <TableBody>
          {lines.map((line) => (
            <TableRow key={line.label}>
              <TableCell component="th" scope="row">
                {line.label}
              </TableCell>
              {line.cells.map(({ text, best }, n) => (
                <TableCell key={runs[n]?.id} sx={{ ...number, fontWeight: best ? 700 : undefined }}>
                  {text}
                  {best ? ' ★' : ''}
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </TableContainer>
  );
}
