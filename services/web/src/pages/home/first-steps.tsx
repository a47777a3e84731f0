import { Box, Button, Card, Stack, Typography } from '@mui/material';
import type { ReactNode } from 'react';
import { Link, useNavigate } from 'react-router';
import {
  useGenerateDatasetMutation,
  useStartPredictionMutation,
  useStartRunMutation,
} from '../../api/generated/clove-api.js';
import { useMay } from '../../api/session.js';
import { ArrowForwardIcon, CheckIcon } from '../../components/icons.js';
import { JobProgress } from '../../components/job-progress.js';
import { ErrorView } from '../../components/states.js';
import { formatCount } from '../../lib/format.js';
import type { Here } from './here.js';

const EXAMPLE = { generator: 'transactions', customers: 2000, name: 'Example orders' } as const;

/** From nothing to scored customers. Each step stands on what the gateway has, so a reload loses nothing. */
export function FirstSteps({ here }: { here: Here }) {
  const navigate = useNavigate();
  const may = useMay('analyst');
  const [generate, generating] = useGenerateDatasetMutation();
  const [startRun, starting] = useStartRunMutation();
  const [startPrediction, predicting] = useStartPredictionMutation();

  const dataset = here.datasets.find(({ status }) => status === 'ready');
  const reading = here.datasets[0];
  const model = here.models.find(({ latestVersion }) => latestVersion !== null);
  const training = here.runs[0];
  const prediction = here.predictions[0];
  // what the model has learnt from is what it scores first
  const learntFrom = here.runs.find(({ status, modelName }) => status === 'succeeded' && modelName === model?.name);
  const scores = learntFrom?.datasetId ?? dataset?.id;
  const at = dataset === undefined ? 1 : model === undefined ? 2 : 3;

  const predict = async () => {
    if (scores === undefined || model === undefined) return;
    const { data } = await startPrediction({ startPrediction: { datasetId: scores, model: model.name } });
    if (data !== undefined) await navigate(`/predict/${data.id}`);
  };
  return (
    <Stack component="ol" sx={{ listStyle: 'none', m: 0, p: 0, gap: 2, maxWidth: 860 }}>
      <Step
        number={1}
        at={at}
        title="Bring your orders"
        summary={
          dataset === undefined
            ? 'One row for each purchase: who, when, how much. Or a table with one row for each customer. CSV or Parquet.'
            : `${dataset.name}: ${formatCount(dataset.customers)} customers, ${formatCount(dataset.rows)} rows.`
        }
      >
        {reading !== undefined && reading.jobId !== null && reading.status !== 'ready' ? (
          <JobProgress jobId={reading.jobId} />
        ) : null}
        {reading?.status === 'pending' ? null : (
          <Stack direction="row" sx={{ gap: 1, flexWrap: 'wrap' }}>
            <Button component={Link} to="/datasets/new" variant="contained" disabled={!may}>
              Upload a file
            </Button>
            <Button
              variant="outlined"
              disabled={!may}
              loading={generating.isLoading}
              onClick={() => void generate({ generateDataset: EXAMPLE })}
            >
              Use example orders
            </Button>
          </Stack>
        )}
        {generating.error === undefined ? null : <ErrorView error={generating.error} />}
      </Step>
      <Step
        number={2}
        at={at}
        title="Train a model"
        summary={
          model === undefined
            ? 'It learns from your orders what customers spend afterwards, and is tested on spend that it has never seen.'
            : `${model.name}, version ${model.latestVersion ?? 1}.`
        }
      >
        {training !== undefined && training.status !== 'succeeded' ? <JobProgress jobId={training.jobId} /> : null}
        {training?.status === 'queued' || training?.status === 'running' ? null : (
          <Stack direction="row" sx={{ gap: 1, flexWrap: 'wrap' }}>
            <Button
              variant="contained"
              disabled={!may}
              loading={starting.isLoading}
              onClick={() => dataset && void startRun({ startRun: { datasetId: dataset.id } })}
            >
              Train with the usual settings
            </Button>
            <Button
              component={Link}
              to={`/training/new?dataset=${dataset?.id ?? ''}`}
              variant="outlined"
              disabled={!may}
            >
              Choose the settings
            </Button>
          </Stack>
        )}
        {starting.error === undefined ? null : <ErrorView error={starting.error} />}
      </Step>
      <Step
        number={3}
        at={at}
        title="Score your customers"
        summary="You get what each customer is expected to spend, from least to most, as a table, charts and a file."
      >
        {prediction === undefined ? null : <JobProgress jobId={prediction.jobId} />}
        {prediction?.status === 'queued' || prediction?.status === 'running' ? null : (
          <Box>
            <Button
              variant="contained"
              disabled={!may}
              loading={predicting.isLoading}
              endIcon={<ArrowForwardIcon />}
              onClick={() => void predict()}
            >
              Predict what customers will spend
            </Button>
          </Box>
        )}
        {predicting.error === undefined ? null : <ErrorView error={predicting.error} />}
      </Step>
    </Stack>
  );
}

type StepProps = {
  number: number;
  /** the step that is to be taken now */
  at: number;
  title: string;
  summary: string;
  children: ReactNode;
};

function Step({ number, at, title, summary, children }: StepProps) {
  const done = number < at;
  const current = number === at;
  return (
    <Card
      component="li"
      aria-current={current ? 'step' : undefined}
      sx={{ p: { xs: 2, sm: 2.5 }, display: 'flex', gap: 2, ...(current ? { borderColor: 'primary.main' } : {}) }}
    >
      <Box
        aria-hidden
        sx={{
          flexShrink: 0,
          width: 32,
          height: 32,
          borderRadius: '50%',
          display: 'flex',
          alignItems: 'center',
          justifyContent: 'center',
          fontWeight: 650,
          fontSize: '0.9375rem',
          border: 1.5,
          borderColor: done || current ? 'primary.main' : 'divider',
          bgcolor: current ? 'primary.main' : 'transparent',
          color: current ? 'primary.contrastText' : done ? 'primary.main' : 'text.secondary',
        }}
      >
        {done ? <CheckIcon fontSize="small" /> : number}
      </Box>
      <Stack sx={{ flex: 1, minWidth: 0, gap: 1.5 }}>
        <div>
          <Typography variant="h2">{title}</Typography>
          <Typography variant="body2" color="textSecondary">
            {summary}
          </Typography>
        </div>
        {current ? children : null}
      </Stack>
    </Card>
  );
}
