import { Button } from '@mui/material';
import { isTerminal } from '@clove/contracts';
import { useCallback, useMemo, useState } from 'react';
import { Link, useParams } from 'react-router';
import {
  type Epoch,
  type JobLogLine,
  type Run,
  useGetDatasetQuery,
  useGetRunQuery,
} from '../../api/generated/clove-api.js';
import { useLiveJob } from '../../api/jobs.js';
import { ChartView } from '../../components/chart-view.js';
import { EvaluationView } from '../../components/evaluation-view.js';
import { JobLog } from '../../components/job-log.js';
import { JobProgress } from '../../components/job-progress.js';
import { Facts, Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { formatCount, formatInstant, formatNumber } from '../../lib/format.js';
import { HEADS, MODEL_TYPES } from '../../lib/words.js';

type Draw = Parameters<typeof ChartView>[0]['draw'];

/** One training: live while it runs, with its curve and log; how good the model is once it has ended. */
export function RunPage() {
  const { id = '' } = useParams();
  const { data: run, error, refetch } = useGetRunQuery({ id });
  if (run === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the training" />;
  }
  return <Loaded key={run.id} run={run} />;
}

function Loaded({ run }: { run: Run }) {
  const [epochs, setEpochs] = useState<readonly Epoch[]>(run.epochs);
  const [lines, setLines] = useState<readonly JobLogLine[]>([]);
  const { job } = useLiveJob(run.jobId, {
    // an attempt that begins again tells its epochs again
    onEpoch: (epoch) => setEpochs((known) => [...known.filter((one) => one.epoch < epoch.epoch), epoch]),
    onLog: (line) =>
      setLines((known) => (known.some(({ number }) => number === line.number) ? known : [...known, line])),
  });
  const { data: dataset } = useGetDatasetQuery({ id: run.datasetId ?? '' }, { skip: run.datasetId === null });
  const status = job?.status ?? run.status;
  const done = status === 'succeeded';
  const curve = run.epochs.length >= epochs.length ? run.epochs : epochs;
  const name = run.version === null ? run.modelName : `${run.modelName} version ${run.version}`;
  return (
    <Page
      title={`Training of ${name}`}
      parents={[{ label: 'Training', to: '/training' }]}
      badge={<StatusChip status={status} />}
      subtitle={`${dataset === undefined ? '' : `On ${dataset.name}, `}${formatInstant(run.createdAt)}`}
      actions={
        run.version === null ? undefined : (
          <>
            <Button
              component={Link}
              to={`/predict?model=${encodeURIComponent(`${run.modelName}@${run.version}`)}&step=data`}
              variant="contained"
            >
              Predict with it
            </Button>
            <Button
              component={Link}
              to={`/models/${encodeURIComponent(run.modelName)}/${run.version}`}
              variant="outlined"
            >
              About the version
            </Button>
          </>
        )
      }
    >
      {done ? null : (
        <Section title={isTerminal(status) ? 'It did not come to an end' : 'Training'}>
          <JobProgress jobId={run.jobId} />
        </Section>
      )}
      <LearningCurve epochs={curve} bestEpoch={done ? run.bestEpoch : null} />
      {run.evaluation === null ? null : (
        <EvaluationView report={run.evaluation} model={name} currency={dataset?.currency} />
      )}
      <Options run={run} />
      <JobLog id={run.jobId} told={lines} />
    </Page>
  );
}

function LearningCurve({ epochs, bestEpoch }: { epochs: readonly Epoch[]; bestEpoch: number | null }) {
  const best = useMemo(
    () =>
      bestEpoch ??
      epochs.reduce<Epoch | undefined>(
        (least, epoch) => (least === undefined || epoch.validationLoss < least.validationLoss ? epoch : least),
        undefined,
      )?.epoch ??
      1,
    [bestEpoch, epochs],
  );
  const draw = useCallback<Draw>(
    (charts, options) => charts.learningCurveChart({ epochs: [...epochs], bestEpoch: best }, options),
    [epochs, best],
  );
  if (epochs.length < 2) return null;
  return (
    <Section>
      <ChartView
        name="learning-curves"
        draw={draw}
        table={{
          columns: ['Epoch', 'Training loss', 'Validation loss', 'Learning rate', 'Seconds'],
          rows: epochs.map((epoch) => [
            epoch.epoch,
            formatNumber(epoch.trainLoss),
            formatNumber(epoch.validationLoss),
            formatNumber(epoch.learningRate),
            formatNumber(epoch.seconds, 3),
          ]),
        }}
      />
    </Section>
  );
}

function Options({ run }: { run: Run }) {
  const { options } = run;
  return (
    <Section title="How it was trained">
      <Facts
        items={[
          { label: 'Type', value: MODEL_TYPES[options.model] },
          { label: 'Trained for', value: HEADS[options.head] },
          { label: 'Anchored to', value: options.anchor },
          { label: 'Hidden layers', value: options.hidden.join(' – ') },
          { label: 'Optimizer', value: options.optimizer === 'adamw' ? 'AdamW' : 'Adam' },
          { label: 'Learning rate', value: formatNumber(options.learningRate) },
          { label: 'Weight decay', value: formatNumber(options.weightDecay) },
          { label: 'Gradient norm at most', value: formatNumber(options.clipNorm) },
          { label: 'Batch size', value: formatCount(options.batchSize) },
          { label: 'Epochs at most', value: formatCount(options.epochs) },
          { label: 'Best epoch', value: formatCount(run.bestEpoch) },
          { label: 'Members', value: formatCount(options.seeds) },
          { label: 'Seed', value: String(options.seed) },
          { label: 'Backend', value: run.backend ?? options.backend },
        ]}
      />
    </Section>
  );
}
