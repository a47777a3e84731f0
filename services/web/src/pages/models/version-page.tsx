import { Button, Chip, Link, List, ListItem, ListItemText, Stack } from '@mui/material';
import { useCallback, useState } from 'react';
import { Link as RouterLink, useParams } from 'react-router';
import {
  type ModelVersion,
  useGetDatasetQuery,
  useGetModelQuery,
  useGetVersionQuery,
  useListArtifactsQuery,
} from '../../api/generated/clove-api.js';
import { ChartView } from '../../components/chart-view.js';
import { EvaluationView } from '../../components/evaluation-view.js';
import { Gates } from '../../components/gates.js';
import { DownloadIcon, OpenInNewIcon } from '../../components/icons.js';
import { ModelFacts } from '../../components/model-facts.js';
import { Page, Section } from '../../components/page.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { Warnings } from '../../components/warnings.js';
import { formatBytes, formatInstant, formatNumber } from '../../lib/format.js';
import { MoveAlias } from './move-alias.js';

type Draw = Parameters<typeof ChartView>[0]['draw'];

/** One version: what it is, how good it was, whether it may become champion, its files. */
export function VersionPage() {
  const { name = '', version: text = '' } = useParams();
  const { data: version, error, refetch } = useGetVersionQuery({ name, version: Number(text) });
  const datasetId = version?.manifest.training.datasetId ?? null;
  const { data: dataset } = useGetDatasetQuery({ id: datasetId ?? '' }, { skip: datasetId === null });
  if (version === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the version" />;
  }
  const { manifest, evaluation } = version;
  return (
    <Page
      title={`${version.model} version ${version.version}`}
      parents={[
        { label: 'Models', to: '/models' },
        { label: version.model, to: `/models/${encodeURIComponent(version.model)}` },
      ]}
      badge={version.aliases.map((alias) => (
        <Chip key={alias} size="small" color={alias === 'champion' ? 'primary' : 'default'} label={alias} />
      ))}
      subtitle={<Origin version={version} dataset={dataset?.name} />}
      actions={<Actions version={version} />}
    >
      <Section title="What it is">
        <ModelFacts version={version} />
      </Section>
      <Warnings warnings={manifest.warnings} />
      <LearningCurve version={version} />
      {version.gates.length === 0 ? null : (
        <Section title="May it become champion?" subtitle="Judged now, against the champion of this moment">
          <Gates gates={version.gates} />
        </Section>
      )}
      {evaluation === null ? null : (
        <EvaluationView
          report={evaluation}
          model={`${version.model} version ${version.version}`}
          currency={dataset?.currency}
        />
      )}
      <Files version={version} />
    </Page>
  );
}

function Origin({ version, dataset }: { version: ModelVersion; dataset: string | undefined }) {
  const { runId, leaderboardId, createdAt } = version;
  return (
    <>
      {formatInstant(createdAt)}
      {dataset === undefined ? '' : `, learned from ${dataset}`}
      {runId === null ? null : (
        <>
          ,{' '}
          <Link component={RouterLink} to={`/training/${runId}`}>
            its training
          </Link>
        </>
      )}
      {leaderboardId === null ? null : (
        <>
          ,{' '}
          <Link component={RouterLink} to={`/leaderboards/${leaderboardId}`}>
            the leaderboard that it won
          </Link>
        </>
      )}
    </>
  );
}

function Actions({ version }: { version: ModelVersion }) {
  const [moving, setMoving] = useState(false);
  const { data: model } = useGetModelQuery({ name: version.model });
  const reference = `${version.model}@${version.version}`;
  const report = version.artifacts.some(({ name }) => name === 'report.html');
  return (
    <>
      <Button
        component={RouterLink}
        to={`/predict?model=${encodeURIComponent(reference)}&step=data`}
        variant="contained"
      >
        Predict with it
      </Button>
      <Button
        variant="outlined"
        disabled={model === undefined || version.aliases.includes('champion')}
        onClick={() => setMoving(true)}
      >
        Promote
      </Button>
      {report ? (
        <Button
          component="a"
          href={`/v1/models/${encodeURIComponent(version.model)}/versions/${version.version}/artifacts/report.html`}
          target="_blank"
          rel="noreferrer"
          startIcon={<OpenInNewIcon />}
        >
          Report
        </Button>
      ) : null}
      {moving && model !== undefined ? (
        <MoveAlias model={model} alias="champion" version={version.version} onClose={() => setMoving(false)} />
      ) : null}
    </>
  );
}

function LearningCurve({ version }: { version: ModelVersion }) {
  const { epochs, bestEpoch } = version.manifest.training;
  const draw = useCallback<Draw>(
    (charts, options) => charts.learningCurveChart({ epochs, bestEpoch }, options),
    [epochs, bestEpoch],
  );
  if (epochs.length < 2) return null;
  return (
    <Section>
      <ChartView
        name="learning-curves"
        draw={draw}
        table={{
          columns: ['Epoch', 'Training loss', 'Validation loss'],
          rows: epochs.map((epoch) => [epoch.epoch, formatNumber(epoch.trainLoss), formatNumber(epoch.validationLoss)]),
        }}
      />
    </Section>
  );
}

const FILES: Record<string, string> = {
  'model.onnx': 'The model itself, in standard ONNX: takes raw columns',
  'model.json': 'What it is and how it was trained',
  'checkpoint.safetensors': 'Weights and state of the training',
  'evaluation.json': 'Every figure of its evaluation',
  'report.html': 'The model card, one page for people',
};

function Files({ version }: { version: ModelVersion }) {
  const { data, error, refetch } = useListArtifactsQuery({ name: version.model, version: version.version });
  return (
    <Section title="Files">
      {error === undefined ? null : <ErrorView error={error} onRetry={() => void refetch()} />}
      <List dense disablePadding>
        {(data?.items ?? []).map(({ name, bytes, href }) => (
          <ListItem key={name} disableGutters>
            <ListItemText primary={name} secondary={FILES[name] ?? 'A member of the ensemble, in standard ONNX'} />
            <Stack direction="row" sx={{ alignItems: 'center', gap: 1, flexShrink: 0 }}>
              <Button
                component="a"
                href={href}
                download
                size="small"
                startIcon={<DownloadIcon />}
                aria-label={`Download ${name}, ${formatBytes(bytes)}`}
              >
                {formatBytes(bytes)}
              </Button>
            </Stack>
          </ListItem>
        ))}
      </List>
    </Section>
  );
}
