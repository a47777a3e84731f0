import {
  type OpenPredictor,
  type Sample,
  SNAPSHOT_TARGET,
  computeBaselines,
  encodingWarnings,
  forecasterDetail,
  judge,
  lastObservedOrigin,
  lintLeakage,
  lintWindows,
  noCounts,
  pickRows,
  trackedUntil,
} from '@clove/clv';
import {
  CloveError,
  type DatasetProfile,
  type EvaluationDetail,
  type EvaluationReport,
  type LintFinding,
  type ModelManifest,
  type ProtocolReport,
  type Warning,
} from '@clove/contracts';
import { type DuckOptions, cohortDays, fingerprintOf, loadFeatures, snapshot } from '@clove/data';
import { takenColumns } from './columns.js';
import { daysOf, openModelFolder, requireKind } from './model.js';
import type { ScoreIo } from './predict-dataset.js';

export type EvaluateInput = DuckOptions & {
  /** folder with model.onnx and model.json */
  modelDir: string;
  /** canonical Parquet of the dataset, and its profile */
  parquet: string;
  profile: DatasetProfile;
  /** null or left out outside a registry */
  datasetId?: string | null;
  /** transactions: the last day whose horizon is fully observed when left out */
  testOrigin?: string;
};

/**
 * Compares a model's predictions with actual spend: of every row with a target of a features dataset, of everybody known
 * at the test origin of a transactions dataset. The report holds what that of a training holds, but for what needs the rows that
 * the model learned from, which are not at hand; it says so where the model may have seen the customers in training.
 * @throws CloveError `kind-mismatch`, `columns-mismatch`, `target-missing`, `not-enough-data`
 */
export const evaluateModel = async (i: EvaluateInput, io: ScoreIo): Promise<EvaluationReport> => {
  const model = await openModelFolder(i.modelDir, i.threads === undefined ? {} : { threads: i.threads });
  try {
    const { manifest } = model;
    requireKind(manifest, i.profile);
    const taken = takenColumns(model, i.profile);
    io.post({ fraction: 0.05, stage: 'reading' });
    const test =
      manifest.kind === 'features' ? await labelledRows(i, manifest, io) : await labelledCustomers(i, model, io);
    io.post({ fraction: 0.6, stage: 'scoring' });
    const { table, target } = test.sample;
    const columns = manifest.schema.features.map(({ name }) => name);
    const counts = noCounts();
    const { predicted } = await model.score(table, counts);
    const { metrics, detail } = judge({
      actual: target,
      predicted,
      distribution: manifest.predictor?.distribution ?? null,
      interval: manifest.interval,
      totalFactors: manifest.predictor?.totalFactors ?? null,
      table,
      seed: manifest.options.seed,
    });
    return {
      protocol: { ...test.protocol, testRows: table.rows },
      testCustomers: table.rows,
      metrics,
      ...computeBaselines({
        kind: manifest.kind,
        horizonDays: manifest.horizonDays,
        targetMean: manifest.training.targetMean,
        table,
        actual: target,
      }),
      lint: [
        ...lintLeakage({ columns, train: null, test: test.sample, testR2: metrics.r2, windows: null }),
        ...test.lint,
      ],
      warnings: [...taken.warnings, ...encodingWarnings(manifest.schema, counts, manifest.kind), ...test.warnings],
      detail: { ...detail, ...test.detail },
    };
  } finally {
    await model.release();
  }
};

type TestRows = {
  sample: Sample;
  protocol: ProtocolReport;
  lint: LintFinding[];
  warnings: Warning[];
  detail: Partial<EvaluationDetail>;
};

/**
 * Whether the rows are those that the model was trained on: the same dataset of a registry, or the same rows ingested again.
 * `unknown` for models of a time when no fingerprint was kept, outside a registry.
 */
const sameRows = async (
  i: EvaluateInput,
  { training }: ModelManifest,
  signal: AbortSignal,
): Promise<'yes' | 'no' | 'unknown'> => {
  const ids = [training.datasetId, i.datasetId ?? null];
  if (ids[0] !== null && ids[0] === ids[1]) return 'yes';
  if (training.fingerprint !== undefined)
    return training.fingerprint === (await fingerprintOf({ ...i, signal })) ? 'yes' : 'no';
  return ids.includes(null) ? 'unknown' : 'no';
};

const protocolOf = (manifest: ModelManifest, testOrigin: string | null): ProtocolReport => ({
  name: manifest.kind === 'features' ? 'random' : 'forward',
  horizonDays: manifest.horizonDays,
  testOrigin,
  trainingOrigins: manifest.training.asOf,
  trainRows: 0,
  validationRows: 0,
  testRows: 0,
  seed: manifest.options.seed,
});

const labelledRows = async (i: EvaluateInput, manifest: ModelManifest, { signal }: ScoreIo): Promise<TestRows> => {
  const table = await loadFeatures({ ...i, signal });
  const labels = table.columns.get(manifest.target);
  if (labels?.kind !== 'numeric') {
    throw new CloveError(
      'target-missing',
      `The model predicts "${manifest.target}", and the dataset has no such column with numbers to compare with. Bring what the customers really spent, or predict instead of evaluating.`,
    );
  }
  const rows = Int32Array.from(labels.values.keys()).filter((row) => Number.isFinite(labels.values[row]!));
  if (rows.length === 0)
    throw new CloveError('target-missing', `The column "${manifest.target}" is empty in every row.`);
  const warnings: Warning[] = [];
  if (rows.length < table.rows) {
    const count = table.rows - rows.length;
    warnings.push({
      code: 'rows-without-target',
      message: `${count} of ${table.rows} customers have no "${manifest.target}" and were left out.`,
      count,
    });
  }
  const same = await sameRows(i, manifest, signal);
  const lint: LintFinding[] = [];
  if (same === 'yes') {
    warnings.push({
      code: 'seen-in-training',
      message:
        'These are the rows that the model was trained on: most of these customers taught it, so the figures flatter. Those of its own run are on held-out customers.',
    });
  } else if (same === 'unknown') {
    warnings.push({
      code: 'maybe-seen-in-training',
      message: 'Where these customers were among those that the model was trained on, the figures flatter.',
    });
  } else {
    lint.push({
      code: 'duplicate-rows-across-split',
      severity: 'info',
      message:
        'These are not the rows that the model was trained on. Whether single customers are in both cannot be seen: a model does not keep its training rows.',
    });
  }
  const target = Float64Array.from(rows, (row) => labels.values[row]!);
  const sample = { table: pickRows(table, rows), target };
  return { sample, protocol: protocolOf(manifest, null), lint, warnings, detail: {} };
};

const labelledCustomers = async (i: EvaluateInput, model: OpenPredictor, { signal }: ScoreIo): Promise<TestRows> => {
  const { manifest } = model;
  const { horizonDays } = manifest;
  if (horizonDays === null) throw new CloveError('internal', 'The model of a transactions dataset has no horizon.');
  const testOrigin = lastObservedOrigin({ ...daysOf(i.profile), horizonDays, testOrigin: i.testOrigin });
  const sequence = model.sequence === null ? {} : { sequence: model.sequence };
  const table = await snapshot({ ...i, ...sequence, asOf: testOrigin, horizonDays, signal });
  const labels = table.columns.get(SNAPSHOT_TARGET);
  if (labels?.kind !== 'numeric') throw new CloveError('internal', 'The snapshot came without its target.');
  // On other data the windows cannot overlap in a way that matters: the customers are others.
  const lint =
    (await sameRows(i, manifest, signal)) === 'no'
      ? []
      : lintWindows({ trainingOrigins: manifest.training.asOf, testOrigin, horizonDays }).filter(
          ({ severity }) => severity === 'error',
        );
  const until = trackedUntil({ testOrigin, horizonDays, lastDay: daysOf(i.profile).lastDay });
  const days =
    manifest.predictor?.forecasters[0] === undefined ? [] : await cohortDays({ ...i, asOf: testOrigin, until, signal });
  const { detail, warnings } = forecasterDetail(manifest, { table, days, until });
  const sample = { table, target: labels.values };
  return { sample, protocol: protocolOf(manifest, testOrigin), lint, warnings, detail };
};
