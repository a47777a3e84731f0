import { Button, Chip, Link, MenuItem, Stack, TextField } from '@mui/material';
import { type Tier, isTerminal } from '@clove/contracts';
import type { GridColDef } from '@mui/x-data-grid';
import { useMemo, useState } from 'react';
import { Link as RouterLink, useParams } from 'react-router';
import {
  type Prediction,
  useGetDatasetQuery,
  useGetPredictionQuery,
  useGetPredictionReportQuery,
  useGetPredictionRowsQuery,
} from '../../api/generated/clove-api.js';
import { RowsTable, useRowsQuery } from '../../components/data-table.js';
import { EvaluationCharts, MetricList } from '../../components/evaluation-view.js';
import { DownloadIcon } from '../../components/icons.js';
import { JobProgress } from '../../components/job-progress.js';
import { Facts, Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { Warnings } from '../../components/warnings.js';
import { formatCount, formatDay, formatInstant, formatMoney, formatPercent } from '../../lib/format.js';
import { PredictionCharts } from './prediction-charts.js';
import { SavePage } from './save-page.js';

/** One prediction: how far it is, and what came out. */
export function PredictionPage() {
  const { id = '' } = useParams();
  const { data: prediction, error, refetch } = useGetPredictionQuery({ id });
  if (prediction === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the prediction" />;
  }
  const done = prediction.status === 'succeeded';
  return (
    <Page
      title={`Prediction by ${prediction.model} version ${prediction.version}`}
      parents={[{ label: 'Quick predict', to: '/predict' }]}
      badge={<StatusChip status={prediction.status} />}
      subtitle={<About prediction={prediction} />}
      actions={done ? <Downloads prediction={prediction} /> : undefined}
    >
      {done ? (
        <Results prediction={prediction} />
      ) : (
        <Section title={isTerminal(prediction.status) ? 'It did not come to an end' : 'Being predicted'}>
          <JobProgress jobId={prediction.jobId} />
        </Section>
      )}
    </Page>
  );
}

function About({ prediction }: { prediction: Prediction }) {
  const { datasetId, asOf, createdAt, model, version } = prediction;
  const { data: dataset } = useGetDatasetQuery({ id: datasetId ?? '' }, { skip: datasetId === null });
  return (
    <>
      {dataset === undefined ? (
        'The data was deleted'
      ) : (
        <Link component={RouterLink} to={`/datasets/${dataset.id}`}>
          {dataset.name}
        </Link>
      )}
      {asOf === null ? '' : `, seen up to ${formatDay(asOf)}`}, {formatInstant(createdAt)},{' '}
      <Link component={RouterLink} to={`/models/${encodeURIComponent(model)}/${version}`}>
        about the model
      </Link>
    </>
  );
}

function Downloads({ prediction }: { prediction: Prediction }) {
  const file = (format: string) => `/v1/predictions/${prediction.id}/download?format=${format}`;
  return (
    <Stack direction="row" className="no-print" sx={{ gap: 1, flexWrap: 'wrap' }}>
      <Button component="a" href={file('csv')} download variant="contained" startIcon={<DownloadIcon />}>
        CSV
      </Button>
      <Button component="a" href={file('parquet')} download variant="outlined" startIcon={<DownloadIcon />}>
        Parquet
      </Button>
      <SavePage name={`prediction-${prediction.model}-${prediction.version}`} />
    </Stack>
  );
}

function Results({ prediction }: { prediction: Prediction }) {
  const { summary, datasetId } = prediction;
  const { data: dataset } = useGetDatasetQuery({ id: datasetId ?? '' }, { skip: datasetId === null });
  const currency = dataset?.currency ?? null;
  const money = (value: number | undefined) => formatMoney(value, currency);
  return (
    <>
      <Warnings warnings={prediction.warnings} />
      <Section title="Summary">
        <Facts
          items={[
            { label: 'Customers', value: formatCount(summary?.customers) },
            { label: 'Predicted total', value: money(summary?.total) },
            { label: 'Mean', value: money(summary?.mean) },
            { label: 'Median', value: money(summary?.median) },
            { label: 'Standard deviation', value: money(summary?.sd) },
            { label: 'Least', value: money(summary?.min) },
            { label: 'Most', value: money(summary?.max) },
          ]}
        />
      </Section>
      <Report prediction={prediction} currency={currency} />
      <PredictedCustomers prediction={prediction} currency={currency} />
    </>
  );
}

/** What the predictions look like, and how close they came where the spend of these customers is known. */
function Report({ prediction, currency }: { prediction: Prediction; currency: string | null }) {
  const { data: report, error, refetch } = useGetPredictionReportQuery({ id: prediction.id });
  if (report === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the charts" />;
  }
  const { actual } = report;
  return (
    <>
      <PredictionCharts report={report} currency={currency} />
      {actual === null ? null : (
        <>
          <Section
            title="How close it came"
            subtitle={`${formatCount(actual.customers)} customers whose spend is known, ${
              actual.source === 'target-column'
                ? 'from a column of the data'
                : 'from orders after the day of the prediction'
            }. Customers that the model learned from flatter it.`}
          >
            <MetricList metrics={actual.metrics} currency={currency} />
          </Section>
          <EvaluationCharts
            metrics={actual.metrics}
            detail={actual.detail}
            customers={actual.customers}
            model={`${prediction.model} ${prediction.version}`}
            currency={currency}
          />
        </>
      )}
    </>
  );
}

const TIERS: Record<Tier, string> = {
  platinum: 'Platinum: the top tenth',
  gold: 'Gold: the next fifth',
  silver: 'Silver: the next three tenths',
  bronze: 'Bronze: the rest',
};

/** How the columns of a prediction look. */
const columnsIn = (currency: string | null): Record<string, Partial<GridColDef>> => {
  const money = { valueFormatter: (value: number | null) => formatMoney(value, currency) };
  return {
    customer_id: { headerName: 'Customer', minWidth: 140 },
    predicted_clv: { headerName: 'Predicted spend', minWidth: 150, ...money },
    p_buy: {
      headerName: 'Chance to buy',
      minWidth: 140,
      valueFormatter: (value: number | null) => formatPercent(value),
    },
    low: { headerName: 'Low', ...money },
    high: { headerName: 'High', ...money },
    percentile: { headerName: 'Percentile', valueFormatter: (value: number | null) => formatCount(value) },
    tier: {
      headerName: 'Tier',
      renderCell: ({ value }) => <Chip size="small" variant="outlined" label={String(value)} />,
    },
    model_version: { headerName: 'Model' },
    as_of: { headerName: 'As of', valueFormatter: (value: string | null) => formatDay(value) },
  };
};

function PredictedCustomers({ prediction, currency }: { prediction: Prediction; currency: string | null }) {
  const [query, setQuery] = useRowsQuery({ sort: 'predicted_clv', order: 'desc' });
  const [filter, setFilter] = useState<{ tier: Tier | ''; min: string; max: string }>({ tier: '', min: '', max: '' });
  const { currentData, data, error, isFetching, refetch } = useGetPredictionRowsQuery({
    id: prediction.id,
    ...query,
    ...(filter.tier === '' ? {} : { tier: filter.tier }),
    ...(filter.min === '' ? {} : { min: Number(filter.min) }),
    ...(filter.max === '' ? {} : { max: Number(filter.max) }),
  });
  const narrow = (change: Partial<typeof filter>) => {
    setFilter({ ...filter, ...change });
    setQuery({ ...query, offset: 0 });
  };
  const columns = useMemo(() => columnsIn(currency), [currency]);
  return (
    <Section title="Customers" flush>
      <Stack direction="row" className="no-print" sx={{ px: 2, pt: 0.5, gap: 2, flexWrap: 'wrap' }}>
        <TextField
          select
          label="Tier"
          value={filter.tier}
          onChange={(event) => narrow({ tier: event.target.value as Tier | '' })}
          sx={{ width: { xs: '100%', sm: 220 } }}
          slotProps={{ inputLabel: { shrink: true }, select: { displayEmpty: true } }}
        >
          <MenuItem value="">All tiers</MenuItem>
          {Object.entries(TIERS).map(([tier, label]) => (
            <MenuItem key={tier} value={tier}>
              {label}
            </MenuItem>
          ))}
        </TextField>
        <TextField
          label="Predicted at least"
          type="number"
          value={filter.min}
          onChange={(event) => narrow({ min: event.target.value })}
          sx={{ width: 160 }}
        />
        <TextField
          label="Predicted at most"
          type="number"
          value={filter.max}
          onChange={(event) => narrow({ max: event.target.value })}
          sx={{ width: 160 }}
        />
      </Stack>
      <RowsTable
        label="Predicted customers"
        page={currentData ?? data}
        loading={isFetching}
        error={error}
        onRetry={() => void refetch()}
        query={query}
        onQuery={setQuery}
        search="Find a customer"
        columns={columns}
      />
    </Section>
  );
}
