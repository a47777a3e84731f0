import { createWriteStream, openAsBlob } from 'node:fs';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  Accepted,
  CloveError,
  type CreateTenant,
  Dataset,
  DatasetProfile,
  Erasure,
  Evaluation,
  type GenerateDataset,
  type IngestOptions,
  Job,
  type JobKind,
  JobLog,
  type JobLogLine,
  type JobStatus,
  Leaderboard,
  Model,
  ModelImport,
  ModelVersion,
  ModelVersionSummary,
  PROBLEMS,
  type Page,
  Prediction,
  Problem,
  type ProblemCode,
  RowPage,
  Run,
  type Schema,
  type StartEvaluation,
  type StartLeaderboard,
  type StartPrediction,
  type StartRun,
  Tenant,
  pageOf,
} from '@clove/contracts';
import type { SourceFile } from '../local/tasks.js';

/** Why fetch could not make a connection, or lost it: the system's code, such as ECONNREFUSED, or else its words. */
const connectionFailure = (error: unknown): string | undefined => {
  if (!(error instanceof TypeError) || !(error.cause instanceof Error)) return undefined;
  const { cause } = error;
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.message;
};

const CANCEL_TIMEOUT_MS = 5000;

/** Codes of a connection that was there and broke. */
const BROKEN = new Set(['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET']);

const isProblemCode = (code: string): code is ProblemCode => code in PROBLEMS;

/**
 * The gateway's REST API, typed by the contracts: every answer is parsed, every problem document becomes a CloveError.
 * @throws CloveError 'unavailable' where no gateway answers at the URL; else the code of the problem document
 */
export type GatewayClient = {
  readonly url: string;
  ready(): Promise<void>;
  uploadDataset(files: readonly SourceFile[], options: IngestOptions, name: string): Promise<Accepted>;
  generateDataset(body: GenerateDataset): Promise<Accepted>;
  dataset(id: string): Promise<Dataset>;
  datasetProfile(id: string): Promise<DatasetProfile>;
  startRun(body: StartRun): Promise<Accepted>;
  run(id: string): Promise<Run>;
  startLeaderboard(body: StartLeaderboard): Promise<Accepted>;
  leaderboard(id: string): Promise<Leaderboard>;
  startEvaluation(body: StartEvaluation): Promise<Accepted>;
  evaluation(id: string): Promise<Evaluation>;
  startPrediction(body: StartPrediction): Promise<Accepted>;
  prediction(id: string): Promise<Prediction>;
  predictionRows(id: string, limit: number): Promise<RowPage>;
  downloadPrediction(id: string, format: 'csv' | 'parquet', path: string): Promise<void>;
  models(): Promise<Page<Model>>;
  model(name: string): Promise<Model>;
  versions(name: string): Promise<Page<ModelVersionSummary>>;
  version(name: string, number: number): Promise<ModelVersion>;
  downloadArtifact(name: string, number: number, artifact: string, path: string): Promise<void>;
  setAlias(name: string, alias: string, move: { version: number; force: boolean; reason: string }): Promise<Model>;
  rollBack(name: string, alias: string, reason: string): Promise<Model>;
  importModel(name: string, files: readonly SourceFile[]): Promise<Accepted>;
  modelImport(id: string): Promise<ModelImport>;
  startErasure(customers: readonly string[]): Promise<Accepted>;
  erasure(id: string): Promise<Erasure>;
  erasures(limit: number): Promise<Page<Erasure>>;
  tenants(): Promise<Page<Tenant>>;
  createTenant(body: CreateTenant): Promise<Tenant>;
  jobLog(id: string): Promise<{ items: JobLogLine[] }>;
  jobs(q: { status?: JobStatus; kind?: JobKind; limit: number }): Promise<Page<Job>>;
  job(id: string): Promise<Job>;
  cancelJob(id: string): Promise<Job>;
  retryJob(id: string): Promise<Job>;
  /** The job after each of its changes, until it has ended or the stream breaks off. */
  jobEvents(id: string, signal: AbortSignal): AsyncIterable<Job>;
};

/** Reads a problem document, or says what came instead of one. */
const toError = async (response: Response, url: string): Promise<CloveError> => {
  const text = await response.text();
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    document = undefined;
  }
  const problem = Problem.safeParse(document);
  if (!problem.success)
    return new CloveError(
      response.status === 404 ? 'not-found' : response.status >= 500 ? 'unavailable' : 'internal',
      `${url} answered ${response.status} without saying why. Is a Clove gateway there?`,
    );
  const { code, detail, errors, requestId } = problem.data;
  const known = isProblemCode(code) ? code : 'internal';
  if (known === 'unauthenticated')
    return new CloveError(
      known,
      'The gateway wants an API key, and it does not know the one that was sent, if any. Give one with --api-key or CLOVE_API_KEY.',
    );
  const hint = known === 'internal' ? ` The logs have more under request ${requestId}.` : '';
  const fields = (errors ?? []).filter((e) => !detail.includes(e.detail)).map((e) => `${e.pointer}: ${e.detail}`);
  return new CloveError(known, [detail + hint, ...fields].join('\n  '), errors ? { errors } : {});
};

/**
 * @param o.apiKey sent as a bearer token; without one only the public routes answer
 * @param o.signal ends every request, with its reason; only a cancel still goes out after it
 */
export const createClient = (o: { url: string; apiKey: string | undefined; signal: AbortSignal }): GatewayClient => {
  const base = o.url.replace(/\/+$/, '');
  const segment = encodeURIComponent;

  const call = async (path: string, init: RequestInit = {}): Promise<Response> => {
    const headers = new Headers(init.headers);
    if (o.apiKey !== undefined) headers.set('authorization', `Bearer ${o.apiKey}`);
    let response: Response;
    try {
      response = await fetch(`${base}${path}`, { signal: o.signal, ...init, headers });
    } catch (error) {
      const code = connectionFailure(error);
      if (code === undefined) throw error;
      throw new CloveError(
        'unavailable',
        BROKEN.has(code)
          ? `The connection to the gateway at ${base} broke off (${code}). Try again; its log may say why.`
          : `No Clove gateway answers at ${base} (${code}). Start one with "clove start", name another with --url or CLOVE_URL, or work without a server with --local.`,
        { cause: error },
      );
    }
    if (!response.ok) throw await toError(response, `${base}${path}`);
    return response;
  };

  const parse = async <T>(schema: Schema<T>, response: Response): Promise<T> => {
    const parsed = schema.safeParse(await response.json());
    if (parsed.success) return parsed.data;
    const issue = parsed.error.issues[0];
    throw new CloveError(
      'internal',
      `The gateway at ${base} answered ${response.url} in a form that this version does not know (${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}). Are both of the same version?`,
    );
  };

  const get = async <T>(schema: Schema<T>, path: string) => parse(schema, await call(path));
  const send = async <T>(schema: Schema<T>, method: 'POST' | 'PUT', path: string, body?: unknown) =>
    parse(
      schema,
      await call(path, {
        method,
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      }),
    );

  const download = async (path: string, to: string) => {
    const response = await call(path);
    if (!response.body) throw new CloveError('internal', `${base}${path} sent nothing.`);
    await pipeline(Readable.fromWeb(response.body), createWriteStream(to));
  };

  return {
    url: base,
    ready: async () => {
      await call('/readyz');
    },
    uploadDataset: async (files, options, name) => {
      const form = new FormData();
      // Fields before files: the gateway reads the parts as they come.
      form.set('name', name);
      form.set('options', JSON.stringify(options));
      // A Blob over the file: it is read while it is sent and never held in memory.
      for (const file of files) form.append('file', await openAsBlob(file.path), file.name);
      return parse(Accepted, await call('/v1/datasets', { method: 'POST', body: form }));
    },
    generateDataset: (body) => send(Accepted, 'POST', '/v1/datasets/generate', body),
    dataset: (id) => get(Dataset, `/v1/datasets/${segment(id)}`),
    datasetProfile: (id) => get(DatasetProfile, `/v1/datasets/${segment(id)}/profile`),
    startRun: (body) => send(Accepted, 'POST', '/v1/runs', body),
    run: (id) => get(Run, `/v1/runs/${segment(id)}`),
    startLeaderboard: (body) => send(Accepted, 'POST', '/v1/leaderboards', body),
    leaderboard: (id) => get(Leaderboard, `/v1/leaderboards/${segment(id)}`),
    startEvaluation: (body) => send(Accepted, 'POST', '/v1/evaluations', body),
    evaluation: (id) => get(Evaluation, `/v1/evaluations/${segment(id)}`),
    startPrediction: (body) => send(Accepted, 'POST', '/v1/predictions', body),
    prediction: (id) => get(Prediction, `/v1/predictions/${segment(id)}`),
    predictionRows: (id, limit) => get(RowPage, `/v1/predictions/${segment(id)}/rows?limit=${limit}`),
    downloadPrediction: (id, format, path) =>
      download(`/v1/predictions/${segment(id)}/download?format=${format}`, path),
    models: () => get(pageOf(Model), '/v1/models?limit=200'),
    model: (name) => get(Model, `/v1/models/${segment(name)}`),
    versions: (name) => get(pageOf(ModelVersionSummary), `/v1/models/${segment(name)}/versions?limit=200`),
    version: (name, number) => get(ModelVersion, `/v1/models/${segment(name)}/versions/${number}`),
    downloadArtifact: (name, number, artifact, path) =>
      download(`/v1/models/${segment(name)}/versions/${number}/artifacts/${segment(artifact)}`, path),
    setAlias: (name, alias, move) => send(Model, 'PUT', `/v1/models/${segment(name)}/aliases/${segment(alias)}`, move),
    rollBack: (name, alias, reason) =>
      send(Model, 'POST', `/v1/models/${segment(name)}/aliases/${segment(alias)}/rollback`, { reason }),
    importModel: async (name, files) => {
      const form = new FormData();
      for (const file of files) form.append('file', await openAsBlob(file.path), file.name);
      return parse(Accepted, await call(`/v1/models/${segment(name)}/versions`, { method: 'POST', body: form }));
    },
    modelImport: (id) => get(ModelImport, `/v1/imports/${segment(id)}`),
    startErasure: (customers) => send(Accepted, 'POST', '/v1/erasures', { customers }),
    erasure: (id) => get(Erasure, `/v1/erasures/${segment(id)}`),
    erasures: (limit) => get(pageOf(Erasure), `/v1/erasures?limit=${limit}`),
    jobs: (q) => {
      const query = new URLSearchParams({ limit: String(q.limit) });
      if (q.status !== undefined) query.set('status', q.status);
      if (q.kind !== undefined) query.set('kind', q.kind);
      return get(pageOf(Job), `/v1/jobs?${query}`);
    },
    tenants: () => get(pageOf(Tenant), '/v1/tenants?limit=200'),
    createTenant: (body) => send(Tenant, 'POST', '/v1/tenants', body),
    jobLog: (id) => get(JobLog, `/v1/jobs/${segment(id)}/log`),
    job: (id) => get(Job, `/v1/jobs/${segment(id)}`),
    cancelJob: async (id) => {
      // Sent after Ctrl-C too, which is when it is wanted most.
      const signal = AbortSignal.timeout(CANCEL_TIMEOUT_MS);
      return (await parse(Accepted, await call(`/v1/jobs/${segment(id)}/cancel`, { method: 'POST', signal }))).job;
    },
    retryJob: async (id) => (await send(Accepted, 'POST', `/v1/jobs/${segment(id)}/retry`)).job,
    jobEvents: async function* (id, signal) {
      const response = await call(`/v1/jobs/${segment(id)}/events`, {
        signal,
        headers: { accept: 'text/event-stream' },
      });
      if (!response.body) return;
      let rest = '';
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        rest += chunk;
        const events = rest.split(/\r?\n\r?\n/);
        rest = events.pop() ?? '';
        for (const event of events) {
          const field = (name: string) =>
            event
              .split(/\r?\n/)
              .filter((line) => line.startsWith(`${name}:`))
              .map((line) => line.slice(name.length + 1).replace(/^ /, ''))
              .join('\n');
          // Heartbeats are comments; a training also tells its epochs.
          if (field('event') === 'job') yield Job.parse(JSON.parse(field('data')));
        }
      }
    },
  };
};
