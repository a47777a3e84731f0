import { CloveError, type ModelManifest, type Prediction, type ShardPayload } from '@clove/contracts';
import type { ScoringRows } from '@clove/data';
import { type ArtifactStore, type RevisionRef, artifactKeys } from '@clove/store';
import type { Lanes } from './lanes.js';
import { type PieceReport, type PredictionPlan, pieceFiles } from './pieces.js';
import {
  type Budget,
  type Made,
  type ScoreIo,
  joinedFiles,
  madeOf,
  scorePieces,
  writePieces,
} from './predict-dataset.js';

/** What a prediction of a registry is written as. */
export const FORMATS = ['parquet', 'csv'] as const;

/**
 * A prediction that several scorers share, as its files lie under `shards` in the artifact store: first the plan, last of
 * what the first scorer writes; then of each piece what its scoring found (`scores`, `sorted`, `scored.json`) and its part of
 * the result (`parquet`, `csv`). Every file is written whole by whoever does its shard, and again with the
 * same bytes where that is done again.
 */
export type SharedPlan = {
  plan: PredictionPlan;
  /** pieces of each shard */
  shards: number[][];
  versionId: string;
  modelVersion: string;
  /** of the dataset; missing in plans of the version before, which knew none */
  revision?: string | null;
  /** the rows and their steps in the artifact store */
  source: { parquet: string; steps: string | null };
};

const PLAN = 'plan.json';

/** Null where the prediction is not shared, or not yet. */
export const readPlan = async (artifacts: ArtifactStore, predictionId: string): Promise<SharedPlan | null> => {
  const key = artifactKeys.shard(predictionId, PLAN);
  if ((await artifacts.stat(key)) === null) return null;
  // Written by `storePlan` of this program.
  return (await artifacts.readJson(key)) as SharedPlan;
};

/** As many pieces a shard as make up at most `shardRows` rows, and at least one. */
const shardsOf = ({ pieces }: PredictionPlan, shardRows: number): number[][] => {
  const size = Math.max(1, Math.floor(shardRows / pieces[0]!.rows));
  const count = Math.ceil(pieces.length / size);
  return Array.from({ length: count }, (_, shard) => [...pieces.keys()].slice(shard * size, (shard + 1) * size));
};

/**
 * Stores what all scorers must know, the rows first where they are a snapshot, and tells the registry by `cut` of the shards.
 * @param i.made what the plan was made of: a source outside the store is copied into it
 */
export const storePlan = async (
  artifacts: ArtifactStore,
  prediction: Prediction,
  i: {
    plan: PredictionPlan;
    source: ScoringRows;
    dataset: { path: string; at: RevisionRef };
    shardRows: number;
    cut: (rows: number[]) => Promise<void>;
  },
): Promise<SharedPlan> => {
  const store = async (path: string, name: string): Promise<string> => {
    const key = artifactKeys.shard(prediction.id, name);
    await artifacts.putFile(key, path);
    return key;
  };
  const { parquet, steps } = i.source;
  const shards = shardsOf(i.plan, i.shardRows);
  const shared: SharedPlan = {
    plan: i.plan,
    shards,
    versionId: prediction.versionId,
    modelVersion: versionName(prediction),
    revision: i.dataset.at.revision,
    source: {
      parquet: parquet === i.dataset.path ? artifactKeys.data(i.dataset.at) : await store(parquet, 'rows.parquet'),
      steps: steps === null ? null : await store(steps, 'steps.parquet'),
    },
  };
  await i.cut(shards.map((pieces) => pieces.reduce((sum, piece) => sum + i.plan.pieces[piece]!.rows, 0)));
  await artifacts.put(artifactKeys.shard(prediction.id, PLAN), JSON.stringify(shared));
  return shared;
};

/** What the column `model_version` says. */
export const versionName = ({ model, version }: Pick<Prediction, 'model' | 'version'>): string => `${model}@${version}`;

/** Does one step of one shard and stores its files. @param o.modelDir called where the model is needed */
export const doShard = async (
  { predictionId, shard, step }: ShardPayload,
  o: { artifacts: ArtifactStore; lanes: Lanes; budget: Budget; modelDir: (versionId: string) => Promise<string> },
  io: ScoreIo,
): Promise<void> => {
  const { artifacts, lanes, budget } = o;
  const shared = await readPlan(artifacts, predictionId);
  const pieces = shared?.shards[shard];
  if (shared === null || pieces === undefined)
    throw new CloveError('conflict', `Prediction ${predictionId} has no shard ${shard + 1} any more.`);
  const dir = budget.scratchDir;
  const keyOf = (piece: number, ending: string): string => artifactKeys.shard(predictionId, `${piece}.${ending}`);
  const { parquet, steps } = shared.source;
  const source = {
    parquet: await artifacts.local(parquet, dir),
    steps: steps === null ? null : await artifacts.local(steps, dir),
  };
  const work = { lanes, budget, source, plan: shared.plan, dir, pieces };
  const store = async (endings: readonly ('scores' | 'sorted' | 'parquet' | 'csv')[]): Promise<void> => {
    for (const piece of pieces) {
      io.signal.throwIfAborted();
      await Promise.all(
        endings.map((ending) => artifacts.putFile(keyOf(piece, ending), pieceFiles(dir, piece)[ending])),
      );
    }
  };
  if (step === 'score') {
    const modelDir = await o.modelDir(shared.versionId);
    const reports = await scorePieces({ ...work, modelDir }, io);
    await store(['scores', 'sorted']);
    for (const [place, piece] of pieces.entries())
      await artifacts.put(keyOf(piece, 'scored.json'), JSON.stringify(reports[place]));
    return;
  }
  const localOf = (ending: string) => (piece: number) => artifacts.local(keyOf(piece, ending), dir);
  const scores = await Promise.all(pieces.map(localOf('scores')));
  const sorted = await Promise.all([...shared.plan.pieces.keys()].map(localOf('sorted')));
  await writePieces({ ...work, scores, sorted, formats: FORMATS, modelVersion: shared.modelVersion }, io);
  await store(FORMATS);
};

/** What the scoring of all pieces found. */
export const readReports = (
  artifacts: ArtifactStore,
  predictionId: string,
  { plan }: SharedPlan,
): Promise<PieceReport[]> =>
  Promise.all(
    // Written by `doShard` of this program.
    [...plan.pieces.keys()].map(
      (piece) => artifacts.readJson(artifactKeys.shard(predictionId, `${piece}.scored.json`)) as Promise<PieceReport>,
    ),
  );

/** The whole prediction once all shards are written: its files as streams, and what they hold. */
export const joinShards = async (
  predictionId: string,
  { plan }: SharedPlan,
  reports: readonly PieceReport[],
  o: { artifacts: ArtifactStore; scratchDir: string; manifest: ModelManifest },
): Promise<{ joined: ReturnType<typeof joinedFiles>; made: Made }> => {
  const local = (piece: number, ending: string): Promise<string> =>
    o.artifacts.local(artifactKeys.shard(predictionId, `${piece}.${ending}`), o.scratchDir);
  const pieces = [...plan.pieces.keys()];
  const sorted = await Promise.all(pieces.map((piece) => local(piece, 'sorted')));
  const parts = await Promise.all(
    pieces.map(async (piece) => ({ parquet: await local(piece, 'parquet'), csv: await local(piece, 'csv') })),
  );
  const made = await madeOf(o.manifest, plan, reports, sorted);
  return { joined: joinedFiles(plan.inputs, FORMATS, parts), made };
};
