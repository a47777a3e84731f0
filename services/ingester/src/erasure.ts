import { mkdtemp, mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CloveError, type Dataset, DatasetProfile, type Page, type PageQuery, type Warning } from '@clove/contracts';
import { type Erase, eraseFromDataset, eraseFromPrediction, hashedId, namesAny } from '@clove/data';
import type { Handlers, WaitingContext } from '@clove/runtime';
import {
  type Registry,
  type RevisionRef,
  type UnboundRegistry,
  artifactKeys,
  removeReplaced,
  revisionKeys,
} from '@clove/store';
import type { IngesterContext } from './handler.js';

const PAGE = 200;

/** Every item of a list. */
async function* all<T>(list: (query: PageQuery) => Promise<Page<T>>): AsyncGenerator<T> {
  for (let cursor: string | undefined; ;) {
    const { items, next } = await list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    yield* items;
    if (next === null) return;
    cursor = next;
  }
}

/** What one call of the handler works with. */
type Work = Omit<IngesterContext, 'registry'> & {
  /** that of the tenant whose customers they are */
  registry: Registry;
  erasureId: string;
  /** ids as they were in the files, and with those that hashed ones are found by */
  asked: readonly string[];
  ids: readonly string[];
  ctx: WaitingContext;
  warnings: Warning[];
};

/**
 * Does one `erasure` job: takes customers out of all datasets, predictions and messages. Models stay: none holds rows or ids.
 *
 * A file is never written over while a job may read it: a dataset gets files of its next revision, and the registry then names those.
 * Jobs that began before may still read the former ones, and bring back who was erased; so the job waits for them and
 * does its rounds again, until it has been through all that was made by them. Then the former files go. Jobs that begin later read
 * nothing but what is clean. Each round finds by itself what is left to do, so that one that was cut short ends the same.
 */
export const erasureHandler =
  (context: IngesterContext & { registry: UnboundRegistry }): Handlers<'ingest'>['erasure'] =>
  async ({ erasureId }, ctx) => {
    const { artifacts } = context;
    const { tenantId, customers: asked } = await context.registry.erasures.asked(erasureId);
    const registry = context.registry.forTenant(tenantId);
    const secret = context.customerSecret;
    const hashed = secret === undefined ? [] : asked.map((id) => hashedId(secret, id));
    const work: Work = { ...context, registry, erasureId, asked, ids: [...asked, ...hashed], ctx, warnings: [] };

    const ingests = (await registry.erasures.heldUpBy(erasureId)).filter(({ kind }) => kind === 'ingest');
    ctx.progress(0, 'datasets');
    for await (const { id } of all(registry.datasets.list)) await fromDataset(work, id);
    await registry.erasures.datasetsAreClean(erasureId);
    const readers = await registry.erasures.heldUpBy(erasureId);

    ctx.progress(0.6, 'predictions');
    for await (const { id } of all(registry.predictions.list)) await fromPrediction(work, id);
    ctx.progress(0.95, 'messages');
    const models = await registry.erasures.eraseTexts(erasureId, work.ids);
    if (models.length > 0) {
      work.warnings.push({
        code: 'named-by-models',
        message: `The descriptions of these models hold an id, as a value of a column that they learned from: ${models.join(', ')}. Train anew without that column, and delete them.`,
        count: models.length,
      });
    }

    const waited = new Set([...ingests, ...readers].map(({ id }) => id)).size;
    if (waited > 0) {
      ctx.later(`waiting for ${waited} ${waited === 1 ? 'job' : 'jobs'} that began before all was erased`);
      return;
    }
    await removeReplaced(registry, artifacts, erasureId);
    await registry.erasures.complete(erasureId, work.warnings);
    ctx.logger.info({ erasureId, customers: asked.length }, 'customers erased');
  };

/** Calls `work` with what an erasure of one file needs, in a folder of its own. */
const inScratch = async <T>(
  { scratchDir, ids, memoryLimitBytes, threads, ctx }: Work,
  work: (o: Erase) => Promise<T>,
) => {
  const scratch = await mkdtemp(join(scratchDir, 'erasure-'));
  try {
    const outDir = join(scratch, 'out');
    await mkdir(outDir);
    const limits = { memoryLimitBytes, ...(threads === undefined ? {} : { threads }) };
    return await work({ ids, outDir, scratchDir: scratch, signal: ctx.signal, ...limits });
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
};

/** Which of those asked for these ids are of. */
const askedFor = ({ asked, ids }: Work, found: readonly string[]): string[] => [
  ...new Set(found.map((id) => asked[ids.indexOf(id) % asked.length]!)),
];

/**
 * Stores the files of the next revision and has the registry name them.
 * @param take false where another erasure was faster
 */
const replace = async (
  { artifacts, erasureId }: Work,
  kind: 'datasets' | 'predictions',
  {
    id,
    files,
    take,
    current,
  }: {
    id: string;
    /** keys to files */
    files: readonly (readonly [key: string, path: string])[];
    take: () => Promise<boolean>;
    /** the revision by now, undefined where it was deleted */
    current: () => Promise<string | null | undefined>;
  },
): Promise<boolean> => {
  let taken = false;
  try {
    for (const [key, path] of files) await artifacts.putFile(key, path);
    taken = await take();
    return taken;
  } finally {
    // where another worker has this job too, it may have been taken already, with the same bytes
    if (!taken && (await current()) !== erasureId) {
      for (const key of revisionKeys(kind, { id, revision: erasureId })) await artifacts.remove(key);
    }
  }
};

const fromDataset = async (work: Work, id: string): Promise<void> => {
  const { registry, ctx, customerSecret } = work;
  ctx.signal.throwIfAborted();
  const dataset = await known(registry.datasets.get(id));
  const source = await known(registry.datasets.source(id));
  if (dataset === null || source === null || dataset.status === 'pending') return;
  const hashed = source.type === 'upload' && source.options.hashCustomers === true;
  if (hashed && dataset.status === 'ready' && customerSecret === undefined) {
    throw new CloveError(
      'invalid-input',
      `The ids of dataset ${id} are hashed, and nobody is found in it without the key: set CUSTOMER_ID_SECRET of the ingesters, then ask for the erasure again.`,
    );
  }
  const named =
    dataset.status === 'ready'
      ? await readUnless(
          inScratch(work, (o) => fromRows(work, dataset, o)),
          async () => (await known(registry.datasets.get(id)))?.revision !== dataset.revision,
          'changed meanwhile' as const,
        )
      : 'no';
  if (named === 'changed meanwhile') return fromDataset(work, id);
  if (source.type === 'upload')
    await inScratch(work, (o) => fromUpload(work, id, source.files, { ...o, named: named === 'yes' }));
};

const fromRows = async (work: Work, dataset: Dataset, o: Erase): Promise<'yes' | 'no' | 'changed meanwhile'> => {
  const { registry, artifacts, erasureId } = work;
  const rejectedKey = artifactKeys.rejected(dataset, 'rejected.parquet');
  const hasRejected = (await artifacts.stat(rejectedKey)) !== null;
  const erased = await eraseFromDataset({
    ...o,
    parquet: await artifacts.local(artifactKeys.data(dataset), o.scratchDir),
    profile: DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(dataset))),
    rejected: hasRejected ? await artifacts.local(rejectedKey, o.scratchDir) : null,
  });
  // by an earlier round of this erasure
  if (erased === null) return dataset.revision === erasureId ? 'yes' : 'no';
  const next: RevisionRef = { id: dataset.id, revision: erasureId };
  const rejected = (['rejected.parquet', 'rejected.csv'] as const).map(
    (name) => [artifactKeys.rejected(next, name), join(o.outDir, name)] as const,
  );
  const taken = await replace(work, 'datasets', {
    id: dataset.id,
    files: [
      [artifactKeys.data(next), join(o.outDir, 'data.parquet')],
      [artifactKeys.profile(next), join(o.outDir, 'profile.json')],
      ...(hasRejected ? rejected : []),
    ],
    take: () =>
      registry.erasures.datasetErased(erasureId, {
        ...erased,
        datasetId: dataset.id,
        revision: dataset.revision,
        found: askedFor(work, erased.found),
      }),
    current: async () => (await known(registry.datasets.get(dataset.id)))?.revision,
  });
  return taken ? 'yes' : 'changed meanwhile';
};

/** The files as they were sent go as a whole: of what is ingested nothing is made of them any more. */
const fromUpload = async (
  { registry, artifacts, erasureId, warnings }: Work,
  id: string,
  files: readonly { name: string; key: string }[],
  { named: byRows, ...o }: Erase & { named: boolean },
): Promise<void> => {
  let named = byRows;
  const there: (typeof files)[number][] = [];
  for (const file of files) if ((await artifacts.stat(file.key)) !== null) there.push(file);
  if (there.length === 0) return;
  const unreadable: string[] = [];
  for (const { name, key } of named ? [] : there) {
    const names = await namesAny({ ...o, path: await artifacts.local(key, o.scratchDir) });
    if (names === 'yes') named = true;
    if (names === 'unreadable') unreadable.push(name);
  }
  if (named) {
    await artifacts.remove(artifactKeys.uploads(id));
    await registry.erasures.uploadErased(erasureId);
  } else if (unreadable.length > 0) {
    warnings.push({
      code: 'upload-unreadable',
      message: `Nobody can tell whom ${unreadable.join(', ')} of dataset ${id} names, for it cannot be read: delete the dataset.`,
      count: unreadable.length,
    });
  }
};

const fromPrediction = async (work: Work, id: string): Promise<void> => {
  const { registry, artifacts, erasureId, ctx } = work;
  ctx.signal.throwIfAborted();
  const prediction = await known(registry.predictions.get(id));
  if (prediction === null) return;
  const { status, rows, revision } = prediction;
  if (status === 'failed' || status === 'cancelled') {
    // what an attempt has left is of no use: a retry writes its own
    await artifacts.remove(artifactKeys.predictionFiles(id));
    return;
  }
  if (status !== 'succeeded' || rows === null || (await isNumbered(work, prediction.datasetId))) return;
  const reading = inScratch(work, async (o) => {
    const parquet = await artifacts.local(artifactKeys.prediction(prediction, 'predictions.parquet'), o.scratchDir);
    const erased = await eraseFromPrediction({ ...o, parquet });
    if (erased === null) return true;
    return replace(work, 'predictions', {
      id,
      files: (['predictions.parquet', 'predictions.csv'] as const).map((name) => [
        artifactKeys.prediction({ id, revision: erasureId }, name),
        join(o.outDir, name),
      ]),
      take: () =>
        registry.erasures.predictionErased(erasureId, {
          ...erased,
          predictionId: id,
          revision,
          found: askedFor(work, erased.found),
        }),
      current: async () => (await known(registry.predictions.get(id)))?.revision,
    });
  });
  const taken = await readUnless(
    reading,
    async () => (await known(registry.predictions.get(id)))?.revision !== revision,
    false,
  );
  if (!taken) await fromPrediction(work, id);
};

/** Whether the ids of a dataset are row numbers, which name nobody. Of one that was deleted nobody can tell any more. */
const isNumbered = async ({ registry, artifacts }: Work, datasetId: string | null): Promise<boolean> => {
  const dataset = datasetId === null ? null : await known(registry.datasets.get(datasetId));
  if (dataset?.status !== 'ready' || dataset.kind !== 'features') return false;
  return DatasetProfile.parse(await artifacts.readJson(artifactKeys.profile(dataset))).idColumn === null;
};

/** `otherwise` where the reading failed and what was read has another revision by now: the erasure that made it removes files. */
const readUnless = async <T>(reading: Promise<T>, hasChanged: () => Promise<boolean>, otherwise: T): Promise<T> => {
  try {
    return await reading;
  } catch (error) {
    if (await hasChanged()) return otherwise;
    throw error;
  }
};

/** Null where there is no such thing any more. */
const known = async <T>(thing: Promise<T>): Promise<T | null> => {
  try {
    return await thing;
  } catch (error) {
    if (error instanceof CloveError && error.code === 'not-found') return null;
    throw error;
  }
};
