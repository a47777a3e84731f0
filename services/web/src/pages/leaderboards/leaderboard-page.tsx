import {
  Alert,
  Box,
  Button,
  Chip,
  Table,
  TableBody,
  TableCell,
  TableContainer,
  TableHead,
  TableRow,
  Tooltip,
  Typography,
} from '@mui/material';
import { isTerminal } from '@clove/contracts';
import { useCallback } from 'react';
import { Link, useParams } from 'react-router';
import {
  type Family,
  type Leaderboard,
  type LeaderboardReport,
  type Metrics,
  useGetDatasetQuery,
  useGetLeaderboardQuery,
} from '../../api/generated/clove-api.js';
import { ChartView } from '../../components/chart-view.js';
import { Lint } from '../../components/evaluation-view.js';
import { JobProgress } from '../../components/job-progress.js';
import { Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { Warnings } from '../../components/warnings.js';
import { formatCount, formatDay, formatInstant } from '../../lib/format.js';
import { METRICS } from '../../lib/words.js';

type Draw = Parameters<typeof ChartView>[0]['draw'];

const FAMILIES: Record<Family, string> = {
  neural: 'Network',
  probabilistic: 'Probabilistic',
  trees: 'Trees',
  ensemble: 'Ensemble',
  baseline: 'Baseline',
};
const SHOWN: readonly (keyof Metrics)[] = [
  'normalizedGini',
  'totalBias',
  'decileMape',
  'mae',
  'rmse',
  'r2',
  'coverage80',
];
const number = { textAlign: 'right', fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' } as const;

/** One comparison of models: who won, by which rule, and every figure. */
export function LeaderboardPage() {
  const { id = '' } = useParams();
  const { data: board, error, refetch } = useGetLeaderboardQuery({ id });
  const { data: dataset } = useGetDatasetQuery(
    { id: board?.datasetId ?? '' },
    { skip: board?.datasetId === undefined || board.datasetId === null },
  );
  if (board === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the leaderboard" />;
  }
  const { report } = board;
  return (
    <Page
      title={dataset === undefined ? 'Leaderboard' : `Leaderboard on ${dataset.name}`}
      parents={[{ label: 'Leaderboards', to: '/leaderboards' }]}
      badge={<StatusChip status={board.status} />}
      subtitle={formatInstant(board.createdAt)}
      actions={<Actions board={board} />}
    >
      {board.status === 'succeeded' ? null : (
        <Section title={isTerminal(board.status) ? 'It did not come to an end' : 'Models are trained and compared'}>
          <JobProgress jobId={board.jobId} />
        </Section>
      )}
      {report === null ? null : <Report report={report} currency={dataset?.currency} />}
    </Page>
  );
}

function Actions({ board }: { board: Leaderboard }) {
  if (board.modelName === null || board.version === null) return null;
  return (
    <Button component={Link} to={`/models/${encodeURIComponent(board.modelName)}/${board.version}`} variant="contained">
      About the winner
    </Button>
  );
}

function Report({ report, currency }: { report: LeaderboardReport; currency?: string | null }) {
  const { protocol, rows, winner } = report;
  const draw = useCallback<Draw>(
    (charts, options) => charts.leaderboardChart({ rows, winner }, options),
    [rows, winner],
  );
  const columns = METRICS.filter(({ key }) => SHOWN.includes(key)).toSorted(
    (a, b) => SHOWN.indexOf(a.key) - SHOWN.indexOf(b.key),
  );
  const table = {
    columns: ['Model', 'Family', ...columns.map(({ label }) => label)],
    rows: rows.map(({ model, family, metrics }) => [
      model,
      FAMILIES[family],
      ...columns.map(({ key, format }) => format(metrics[key], currency)),
    ]),
  };
  return (
    <>
      {report.claims.length === 0 ? null : (
        <Alert severity="info" variant="outlined">
          <Typography variant="body2" component="p" sx={{ fontWeight: 600, m: 0 }}>
            What these data cannot support
          </Typography>
          <Box component="ul" sx={{ m: 0, pl: 2.5 }}>
            {report.claims.map((claim) => (
              <li key={claim}>{claim}</li>
            ))}
          </Box>
        </Alert>
      )}
      <Lint findings={report.lint} />
      <Warnings warnings={report.warnings} />
      <Section title={`The winner: ${winner}`} subtitle={report.rule}>
        <Typography variant="body2" color="textSecondary">
          {protocol.testOrigin === null
            ? `Judged on ${formatCount(protocol.testRows)} customers that no model learned from.`
            : `Judged on ${formatCount(protocol.testRows)} customers, seen up to ${formatDay(protocol.testOrigin)}, by what they spent in the ${formatCount(report.horizonDays)} days after it.`}
        </Typography>
      </Section>
      <Section>
        <ChartView name="leaderboard" draw={draw} currency={currency} table={table} />
      </Section>
      <Section title="Every model" flush>
        <TableContainer tabIndex={0} role="region" aria-label="Every model">
          <Table size="small">
            <TableHead>
              <TableRow>
                <TableCell>Model</TableCell>
                <TableCell>Family</TableCell>
                {columns.map(({ key, label, help }) => (
                  <TableCell key={key} sx={number}>
                    <Tooltip title={help}>
                      <span>{label}</span>
                    </Tooltip>
                  </TableCell>
                ))}
              </TableRow>
            </TableHead>
            <TableBody>
              {rows.map(({ model, family, metrics, sd, note }) => (
                <TableRow key={model} selected={model === winner}>
                  <TableCell sx={{ minWidth: 200 }}>
                    <Typography variant="body2" component="span" sx={{ fontWeight: model === winner ? 700 : 500 }}>
                      {model}
                    </Typography>{' '}
                    {model === winner ? <Chip size="small" color="success" label="Winner" /> : null}
                    {note === undefined ? null : (
                      <Typography variant="caption" component="div" color="textSecondary">
                        {note}
                      </Typography>
                    )}
                  </TableCell>
                  <TableCell>{FAMILIES[family]}</TableCell>
                  {columns.map(({ key, format }) => {
                    const spread = sd[key];
                    return (
                      <TableCell key={key} sx={number}>
                        {format(metrics[key], currency)}
                        {spread === undefined || spread === null || spread === 0 ? null : (
                          <Typography variant="caption" component="div" color="textSecondary">
                            ± {format(spread, currency).replace(/^\+/, '')}
                          </Typography>
                        )}
                      </TableCell>
                    );
                  })}
                </TableRow>
              ))}
            </TableBody>
          </Table>
        </TableContainer>
      </Section>
      {report.skipped.length === 0 ? null : (
        <Section title="Left out">
          <Box component="ul" sx={{ m: 0, pl: 2.5, typography: 'body2' }}>
            {report.skipped.map(({ model, reason }) => (
              <li key={model}>
                {model}: {reason}
              </li>
            ))}
          </Box>
        </Section>
      )}
    </>
  );
}
