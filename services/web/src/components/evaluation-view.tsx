import {
  Alert,
  Box,
  IconButton,
  Skeleton,
  Stack,
  Tab,
  Table,
  TableBody,
  TableCell,
  TableContainer,
  TableHead,
  TableRow,
  Tabs,
  Tooltip,
  Typography,
} from '@mui/material';
import type { Judged, NamedChart } from '@clove/charts';
import { useCallback, useEffect, useState } from 'react';
import type { EvaluationDetail, EvaluationReport, LintFinding, Metrics } from '../api/generated/clove-api.js';
import { formatChange, formatCount, formatDay, formatMoney, formatNumber, formatPercent } from '../lib/format.js';
import { BASELINES, METRICS } from '../lib/words.js';
import { ChartView } from './chart-view.js';
import { HelpOutlineIcon } from './icons.js';
import { Facts, Section } from './page.js';
import { ErrorView } from './states.js';
import { Warnings } from './warnings.js';

const number = { textAlign: 'right', fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' } as const;

type EvaluationProps = { report: EvaluationReport; model: string; currency?: string | null };

/** How good predictions were on customers whose spend is known: figures with their meaning, charts, baselines, segments, lint. */
export function EvaluationView({ report, model, currency }: EvaluationProps) {
  return (
    <>
      <Lint findings={report.lint} />
      <Warnings warnings={report.warnings} />
      <Section title="How good it is" subtitle={protocolOf(report)}>
        <MetricList metrics={report.metrics} currency={currency} />
      </Section>
      <Section title="Beside the simple ways" subtitle="The same customers, predicted without a model" flush>
        <Comparison report={report} model={model} currency={currency} />
      </Section>
      {report.detail === undefined ? null : (
        <EvaluationCharts
          metrics={report.metrics}
          detail={report.detail}
          customers={report.testCustomers}
          testOrigin={report.protocol.testOrigin}
          model={model}
          currency={currency}
        />
      )}
      <Segments report={report} currency={currency} />
    </>
  );
}

const protocolOf = ({ protocol, testCustomers }: EvaluationReport): string => {
  const customers = `${formatCount(testCustomers)} customers`;
  if (protocol.name === 'random' || protocol.testOrigin === null) return `On ${customers} that it did not learn from`;
  const { horizonDays, testOrigin } = protocol;
  return `On ${customers}, seen up to ${formatDay(testOrigin)}; compared with what they spent in the ${formatCount(horizonDays)} days after it`;
};

/** Figures of quality, each with what it means. */
export function MetricList({ metrics, currency }: { metrics: Metrics; currency?: string | null }) {
  const shown = METRICS.filter(({ key }) => metrics[key] !== undefined && metrics[key] !== null);
  return (
    <Box
      component="dl"
      sx={{ m: 0, display: 'grid', gap: 2.5, gridTemplateColumns: 'repeat(auto-fill, minmax(min(100%, 250px), 1fr))' }}
    >
      {shown.map(({ key, label, help, format }) => (
        <Box key={key}>
          <Typography component="dt" variant="caption" color="textSecondary">
            {label}
          </Typography>
          <Typography
            component="dd"
            sx={{ m: 0, fontSize: '1.125rem', fontWeight: 600, fontVariantNumeric: 'tabular-nums' }}
          >
            {format(metrics[key], currency)}
          </Typography>
          <Typography component="dd" variant="caption" color="textSecondary" sx={{ m: 0, display: 'block' }}>
            {help}
            {key === 'mape' ? ` Here ${formatPercent(metrics.mapeShare)} of them.` : ''}
          </Typography>
        </Box>
      ))}
    </Box>
  );
}

/** What the leakage lint found: errors first. Nothing where it found nothing. */
export function Lint({ findings }: { findings: readonly LintFinding[] }) {
  const told = findings.filter(({ severity }) => severity !== 'info');
  if (told.length === 0) return null;
  return (
    <Stack sx={{ gap: 1 }}>
      {told.map(({ code, severity, message }) => (
        <Alert key={`${code}${message}`} severity={severity} variant="outlined">
          {message}
        </Alert>
      ))}
    </Stack>
  );
}

const COMPARED = ['totalBias', 'normalizedGini', 'decileMape', 'mae', 'rmse'];

function Comparison({ report, model, currency }: EvaluationProps) {
  const columns = METRICS.filter(({ key }) => COMPARED.includes(key));
  const rows = [
    { name: model, metrics: report.metrics },
    ...Object.entries(report.baselines).map(([name, metrics]) => ({ name: BASELINES[name] ?? name, metrics })),
  ];
  const skipped = Object.entries(report.skippedBaselines);
  return (
    <TableContainer tabIndex={0} role="region" aria-label="The model beside the baselines">
      <Table size="small">
        <TableHead>
          <TableRow>
            <TableCell>Who predicts</TableCell>
            {columns.map(({ key, label, help }) => (
              <TableCell key={key} sx={number}>
                {label}
                <Tooltip title={help}>
                  <IconButton size="small" aria-label={`What is ${label}?`} sx={{ ml: 0.25, p: 0.25 }}>
                    <HelpOutlineIcon sx={{ fontSize: 16 }} />
                  </IconButton>
                </Tooltip>
              </TableCell>
            ))}
          </TableRow>
        </TableHead>
        <TableBody>
          {rows.map(({ name, metrics }, n) => (
            <TableRow key={name}>
              <TableCell sx={{ fontWeight: n === 0 ? 600 : undefined }}>{name}</TableCell>
              {columns.map(({ key, format }) => (
                <TableCell key={key} sx={{ ...number, fontWeight: n === 0 ? 600 : undefined }}>
                  {format(metrics[key], currency)}
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
      {skipped.length === 0 ? null : (
        <Typography variant="caption" color="textSecondary" component="p" sx={{ px: 2, my: 1 }}>
          {skipped.map(([name, reason]) => `${BASELINES[name] ?? name}: ${reason}`).join('. ')}
        </Typography>
      )}
    </TableContainer>
  );
}

const CHARTS: Record<string, string> = {
  'decile-calibration': 'By tenths',
  gain: 'Gain',
  tracking: 'Over time',
  distribution: 'Distribution',
  'predicted-actual': 'Predicted and actual',
  residuals: 'Errors',
  reliability: 'Probability to buy',
  pit: 'Intervals',
  'alive-by-history': 'Still a customer?',
  'spend-by-history': 'Spend by history',
};

type ChartsProps = {
  metrics: Metrics;
  detail: EvaluationDetail;
  customers: number;
  testOrigin?: string | null;
  model: string;
  currency?: string | null;
};

/** The charts of an evaluation, one at a time; code for drawing comes with the first. */
export function EvaluationCharts({ metrics, detail, customers, testOrigin = null, model, currency }: ChartsProps) {
  const [charts, setCharts] = useState<NamedChart[] | null>(null);
  const [failure, setFailure] = useState<unknown>(null);
  const [chosen, setChosen] = useState<string | null>(null);
  useEffect(() => {
    let left = false;
    const load = async () => {
      try {
        const { evaluationCharts } = await import('@clove/charts');
        if (left) return;
        const judged = { metrics, detail, testCustomers: customers, protocol: { testOrigin } };
        setCharts(evaluationCharts(judged as Judged, model));
      } catch (error) {
        if (!left) setFailure(error);
      }
    };
    void load();
    return () => {
      left = true;
    };
  }, [metrics, detail, customers, testOrigin, model]);
  const shown = charts?.find(({ name }) => name === chosen) ?? charts?.[0];
  const draw = useCallback(
    (_charts: unknown, options: Parameters<NamedChart['chart']>[0]) => {
      if (shown === undefined) throw new Error('There is no chart to draw.');
      return shown.chart(options);
    },
    [shown],
  );
  if (failure !== null) return <ErrorView title="The charts could not be loaded" error={failure} />;
  if (charts === null) return <Skeleton variant="rounded" height={360} />;
  if (shown === undefined) return null;
  return (
    <Section flush>
      <Tabs
        value={shown.name}
        onChange={(_event, name: string) => setChosen(name)}
        variant="scrollable"
        allowScrollButtonsMobile
        aria-label="Charts"
        sx={{ borderBottom: 1, borderColor: 'divider', px: 1 }}
      >
        {charts.map(({ name }) => (
          <Tab key={name} value={name} label={CHARTS[name] ?? name} id={`chart-${name}`} aria-controls="chart" />
        ))}
      </Tabs>
      <Box role="tabpanel" id="chart" aria-labelledby={`chart-${shown.name}`} sx={{ p: { xs: 1.5, md: 2.5 } }}>
        <ChartView
          key={shown.name}
          name={shown.name}
          draw={draw}
          currency={currency}
          table={figuresOf(shown.name, detail, currency)}
        />
      </Box>
    </Section>
  );
}

type Figures = { columns: string[]; rows: (string | number)[][] };

/** The figures behind a chart, for who cannot see it. */
function figuresOf(name: string, detail: EvaluationDetail, currency?: string | null): Figures {
  const money = (value: number | null | undefined) => formatMoney(value, currency);
  switch (name) {
    case 'decile-calibration':
      return {
        columns: ['Tenth by prediction, lowest first', 'Customers', 'Mean predicted', 'Mean actual'],
        rows: detail.deciles.map((d, n) => [n + 1, formatCount(d.rows), money(d.predicted), money(d.actual)]),
      };
    case 'gain':
      return {
        columns: ['Best customers', 'Share of spend, by the model', 'At best'],
        rows: detail.gain.map((g) => [formatPercent(g.customers), formatPercent(g.model), formatPercent(g.perfect)]),
      };
    case 'tracking':
      return {
        columns: ['Week', 'Orders', 'Expected', 'Orders so far', 'Expected so far'],
        rows: (detail.tracking ?? []).map((t) => [
          t.week,
          formatCount(t.actual),
          formatNumber(t.expected),
          formatCount(t.cumulativeActual),
          formatNumber(t.cumulativeExpected),
        ]),
      };
    case 'distribution':
      return {
        columns: ['From', 'To', 'Customers predicted', 'Customers actual'],
        rows: detail.distribution.map((d) => [
          money(d.from),
          money(d.to),
          formatCount(d.predicted),
          formatCount(d.actual),
        ]),
      };
    case 'predicted-actual': {
      const grid = detail.predictedActual;
      const edge = (bin: number) =>
        grid === undefined || bin < 0 ? '0 or next to it' : money(10 ** (grid.from + bin * grid.width));
      return {
        columns: ['Predicted from', 'Actual from', 'Customers'],
        rows: (grid?.cells ?? []).map((cell) => [edge(cell.predicted), edge(cell.actual), formatCount(cell.rows)]),
      };
    }
    case 'residuals':
      return {
        columns: ['Mean prediction of the group', '10 %', '25 %', 'Median', '75 %', '90 %', 'Mean error'],
        rows: detail.residuals.map((r) => [r.predicted, r.p10, r.p25, r.p50, r.p75, r.p90, r.mean].map(money)),
      };
    case 'reliability':
      return {
        columns: ['Customers', 'Probability to buy', 'Share who bought'],
        rows: detail.reliability.map((r) => [
          formatCount(r.rows),
          formatPercent(r.predicted),
          formatPercent(r.observed),
        ]),
      };
    case 'pit':
      return {
        columns: ['Bin of the predicted distribution', 'Share of customers'],
        rows: detail.pit.map((share, n) => [n + 1, formatPercent(share)]),
      };
    case 'alive-by-history':
    case 'spend-by-history': {
      const alive = name === 'alive-by-history';
      return {
        columns: [
          'Repeat order days from',
          'Weeks from first to last from',
          'Customers',
          alive ? 'P(alive)' : 'Expected spend',
        ],
        rows: (detail.recencyFrequency?.cells ?? []).map((cell) => [
          cell.frequency,
          cell.recency,
          formatCount(cell.rows),
          alive ? formatPercent(cell.alive) : money(cell.spend),
        ]),
      };
    }
    default:
      return { columns: [], rows: [] };
  }
}

/** The same figures for parts of the customers: by cohort and by each category. */
function Segments({ report, currency }: { report: EvaluationReport; currency?: string | null }) {
  const segments = report.detail?.segments ?? [];
  const total = report.detail?.total;
  if (segments.length === 0 || total === undefined) return null;
  return (
    <Section title="By group of customers" subtitle="Where the level or the ranking is off for some" flush>
      <Box sx={{ px: 2.5, pb: 2 }}>
        <Facts
          items={[
            { label: 'Total predicted', value: formatMoney(total.predicted, currency) },
            { label: 'Total actual', value: formatMoney(total.actual, currency) },
            ...(total.low === null
              ? []
              : [
                  {
                    label: '80 % interval of the total',
                    value: `${formatMoney(total.low, currency)} to ${formatMoney(total.high, currency)}`,
                  },
                ]),
          ]}
        />
      </Box>
      <TableContainer tabIndex={0} role="region" aria-label="Groups of customers" sx={{ maxHeight: 480 }}>
        <Table size="small" stickyHeader>
          <TableHead>
            <TableRow>
              <TableCell>Group</TableCell>
              <TableCell sx={number}>Customers</TableCell>
              <TableCell sx={number}>Predicted in all</TableCell>
              <TableCell sx={number}>Actual in all</TableCell>
              <TableCell sx={number}>Bias</TableCell>
              <TableCell sx={number}>Ranking</TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {segments.map((segment) => (
              <TableRow key={`${segment.column}=${segment.value}`}>
                <TableCell>
                  {segment.column}: {segment.value}
                </TableCell>
                <TableCell sx={number}>{formatCount(segment.rows)}</TableCell>
                <TableCell sx={number}>{formatMoney(segment.predicted, currency)}</TableCell>
                <TableCell sx={number}>{formatMoney(segment.actual, currency)}</TableCell>
                <TableCell sx={number}>{formatChange(segment.bias)}</TableCell>
                <TableCell sx={number}>{formatNumber(segment.normalizedGini, 3)}</TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      </TableContainer>
    </Section>
  );
}
