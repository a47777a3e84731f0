import { Step, StepButton, Stepper } from '@mui/material';
import { useSearchParams } from 'react-router';
import { useListModelsQuery, useListPredictionsQuery } from '../../api/generated/clove-api.js';
import type { Prediction } from '../../api/generated/clove-api.js';
import { DataTable } from '../../components/data-table.js';
import { Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { formatCount, formatMoney, formatSince } from '../../lib/format.js';
import { ChooseData } from './choose-data.js';
import { ChooseModel } from './choose-model.js';
import { NoModel } from './no-model.js';

const STEPS = ['Model', 'Data', 'Results'] as const;

/** Three steps from a model to predictions: choose the model, give the data, look at the results. */
export function PredictPage() {
  const [params, setParams] = useSearchParams();
  const { data: models, error, refetch } = useListModelsQuery({ limit: 200 });
  const chosen = params.get('model');
  const dataset = params.get('dataset');
  const step = params.get('step') === 'data' && chosen !== null ? 1 : 0;
  const go = (change: Record<string, string | null>) => {
    const next = new URLSearchParams(params);
    for (const [key, value] of Object.entries(change)) {
      if (value === null) next.delete(key);
      else next.set(key, value);
    }
    setParams(next);
  };

  const content = () => {
    if (models === undefined) {
      return error === undefined ? (
        <LoadingView label="Loading the models" />
      ) : (
        <ErrorView error={error} onRetry={() => void refetch()} />
      );
    }
    const trained = models.items.filter((model) => model.versions > 0);
    if (trained.length === 0) return <NoModel onImported={(model) => go({ model })} />;
    return (
      <Section>
        <Stepper nonLinear activeStep={step} sx={{ mb: 3 }}>
          {STEPS.map((label, n) => (
            <Step key={label} completed={n < step}>
              <StepButton
                disabled={n === 2 || (n === 1 && chosen === null)}
                onClick={() => go({ step: n === 1 ? 'data' : null })}
              >
                {label}
              </StepButton>
            </Step>
          ))}
        </Stepper>
        {step === 0 ? (
          <ChooseModel
            models={trained}
            chosen={chosen}
            onChoose={(model) => go({ model })}
            onContinue={(model) => go({ model, step: 'data' })}
          />
        ) : (
          <ChooseData
            model={chosen ?? ''}
            datasetId={dataset}
            onDataset={(id) => go({ dataset: id })}
            onBack={() => go({ step: null })}
          />
        )}
      </Section>
    );
  };
  return (
    <Page title="Quick predict" subtitle="What each customer will spend, in three steps.">
      {content()}
      <RecentPredictions />
    </Page>
  );
}

/** What was predicted before, the latest first. */
function RecentPredictions() {
  const { data } = useListPredictionsQuery({ limit: 20 });
  if (data === undefined || data.items.length === 0) return null;
  return (
    <Section title="Earlier predictions" flush>
      <DataTable<Prediction>
        label="Earlier predictions"
        rows={data.items}
        rowHref={({ id }) => `/predict/${id}`}
        columns={[
          {
            field: 'model',
            headerName: 'Model',
            flex: 1,
            minWidth: 140,
            valueGetter: (_value, row) => `${row.model} ${row.version}`,
          },
          {
            field: 'status',
            headerName: 'State',
            width: 150,
            renderCell: ({ row }) => <StatusChip status={row.status} />,
          },
          { field: 'rows', headerName: 'Customers', type: 'number', width: 120, valueFormatter: formatCount },
          {
            field: 'total',
            headerName: 'Predicted total',
            type: 'number',
            width: 160,
            valueGetter: (_value, row) => row.summary?.total,
            valueFormatter: (value: number | undefined) => formatMoney(value),
          },
          { field: 'createdAt', headerName: 'Made', width: 150, valueFormatter: (value: string) => formatSince(value) },
        ]}
      />
    </Section>
  );
}
