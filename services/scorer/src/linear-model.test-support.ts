import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Table, feedforward, fitSchema, predictionTensor, prepareTensor, preparedWidth } from '@clove/clv';
import { type DatasetKind, type ModelManifest, TrainingOptions } from '@clove/contracts';
import { exportOnnx } from '@clove/engine';

/**
 * Writes a model folder whose prediction is `intercept + Σ weight · prepared input`, not below 0: what it must answer can be
 * worked out with a pencil.
 * @param weights one for each prepared input
 */
export const writeLinearModel = async (
  folder: string,
  o: {
    kind: DatasetKind;
    table: Table;
    columns: string[];
    weights: (width: number) => number[];
    intercept: number;
    manifest?: Partial<ModelManifest>;
    datasetId?: string;
    origins?: string[];
  },
): Promise<{ modelDir: string; manifest: ModelManifest }> => {
  const { schema } = fitSchema(o.table, o.columns);
  const width = preparedWidth(schema);
  // A feedforward network without hidden layers: weights, then the bias.
  const params = Float32Array.from([...o.weights(width), o.intercept]);
  const onnx = exportOnnx({
    network: feedforward({ inputWidth: width, hidden: [], batchNorm: false, dropout: 0 }),
    params,
    stats: new Float32Array(),
    inputWidth: schema.width,
    before: prepareTensor(schema),
    after: predictionTensor({ mean: 0, sd: 1 }),
  });
  const manifest: ModelManifest = {
    format: 1,
    type: 'feedforward',
    head: 'mse',
    kind: o.kind,
    target: 'clv',
    horizonDays: o.kind === 'transactions' ? 60 : null,
    idColumn: null,
    schema,
    parameters: params.length,
    interval: { level: 0.8, below: 10, above: 20 },
    options: TrainingOptions.parse({}),
    training: {
      datasetId: o.datasetId ?? null,
      rows: o.table.rows,
      targetMean: 50,
      asOf: o.origins ?? [],
      epochs: [],
      bestEpoch: 1,
      seconds: 1,
      backend: 'none',
      versions: {},
    },
    warnings: [],
    ...o.manifest,
  };
  const modelDir = await mkdtemp(join(folder, 'model-'));
  await writeFile(join(modelDir, 'model.onnx'), onnx);
  await writeFile(join(modelDir, 'model.json'), JSON.stringify(manifest));
  return { modelDir, manifest };
};
