/**
 * What the registry can do. Postgres is the truth about every job and resource; the queue only carries job ids, and the
 * artifact store only holds files.
 *
 * Words:
 * - **job**: queued work that makes one resource (dataset, run, leaderboard, evaluation, prediction, import or erasure). Its moves are
 *   `JOB_TRANSITIONS` of the contracts, made in one place (`job-moves.ts`); each grows `revision`.
 * - **attempt**: one worker's try at a job, numbered from 1 over the job's whole life.
 * - **delivery**: one queueing of a job by a user: 1 at creation and one more with each retry. It is the `attempt` of
 *   the queue's job id, so that a retried job is not taken for the one that the queue has already seen.
 *
 * Every method may throw `CloveError`: 'not-found' naming the thing, 'invalid-input' for a value that does not fit its
 * contract, 'unavailable' (retryable) where Postgres does not answer. What a method throws beyond these is said there.
 */
import type {
  AliasMove,
  ApiKey,
  AliasPreview,
  ArtifactName,
  AuditEntry,
  AuditQuery,
  AuditResource,
  Dataset,
  DatasetDependents,
  DatasetKind,
  DatasetProfile,
  DatasetSource,
  Day,
  Epoch,
  Erasure,
  Evaluation,
  EvaluationReport,
  Job,
  JobAttempt,
  JobError,
  JobKind,
  JobLogLine,
  JobPayload,
  JobStatus,
  Json,
  KeyScope,
  Leaderboard,
  LeaderboardOptions,
  LeaderboardReport,
  LeaderboardSummary,
  Model,
  ModelImport,
  ModelManifest,
  ModelVersion,
  ModelVersionSummary,
  Page,
  PageQuery,
  Prediction,
  PredictionReport,
  PredictionSummary,
  Role,
  Run,
  RunSummary,
  ShardStep,
  Tenant,
  TrainingOptions,
  User,
  Warning,
} from '@clove/contracts';

import type { OwnedFolder } from './orphans.js';

/** What the queue must carry for one job: give it to the producer's `enqueue` as it is. */
export type QueuedJob = {
  [K in JobKind]: { kind: K; payload: JobPayload<K>; attempt: number };
}[JobKind];

/** How far a job is, in [0, 1], and at what. */
export type JobState = { progress: number; stage: string };

export interface Jobs {
  get(id: string): Promise<Job>;
  /** What was going on in it, oldest first. @param after number of the last line that is known; 0: from the start */
  log(id: string, after: number): Promise<JobLogLine[]>;
  /** Newest first. */
  list(query: PageQuery & { status?: JobStatus | undefined; kind?: JobKind | undefined }): Promise<Page<Job>>;
  /** queued → cancelled at once; running → the worker is told at its next beat; terminal → 'illegal-transition'. */
  requestCancel(id: string): Promise<Job>;
  /**
   * failed | cancelled → queued, as a new delivery; a failed dataset is pending again. Else 'illegal-transition';
   * 'conflict' where what the job needs has been deleted.
   */
  retry(id: string, requestId: string): Promise<{ job: Job; queued: QueuedJob; attempt: number }>;
  /** How many jobs there are of each kind and status, 0 too, for the metrics. */
  counts(): Promise<{ kind: JobKind; status: JobStatus; count: number }[]>;
  /** How long the oldest job of each kind has waited that nobody has begun yet; 0 where there is none. */
  oldestQueued(): Promise<{ kind: JobKind; seconds: number }[]>;
  /** How many attempts there are in each status, 0 too. */
  attemptCounts(): Promise<{ status: JobAttempt['status']; count: number }[]>;
  /** How many jobs are queued, counted up to `most`. */
  queued(most: number): Promise<number>;
  /**
   * Jobs that should be in the queue, oldest first: queued ones, and running ones whose worker has given no sign of
   * life for a minute. The reconciler puts back what the queue has lost.
   */
  waiting(): Promise<(QueuedJob & { short: boolean })[]>;
  /** Whether it belongs among the short ones in the queue; see short-jobs.ts. Always the same for one job. */
  isShort(id: string): Promise<boolean>;

  // What a worker host writes; the same shape as the runtime's JobLedger. All but `start` is of one attempt: where that is
  // over, since the job has ended or another worker has it, nothing is written, and the answer is false or `lost`.

  /**
   * Takes the job for `worker` and opens an attempt. A running job is one that was delivered again: its open attempt is
   * closed as `lost`. One that waited goes on with its attempt, and as far as it was last `seen`. A cancel that was asked for
   * meanwhile is carried out instead. `skip`: nothing is to be done.
   */
  start(
    jobId: string,
    worker: string,
  ): Promise<{ outcome: 'started'; attempt: number; seen?: JobState } | { outcome: 'skip'; status: JobStatus }>;
  /** Progress in [0, 1] and a sign of life. */
  beat(jobId: string, attempt: number, state: JobState): Promise<'go on' | 'cancelled' | 'lost'>;
  /** running → succeeded. */
  succeed(jobId: string, attempt: number): Promise<boolean>;
  /**
   * `final`: running → failed, and the dataset of an ingest failed with the reason as a warning. Otherwise running → queued
   * for the queue's next try, or cancelled where that was asked for.
   */
  fail(jobId: string, attempt: number, error: JobError, options: { final: boolean }): Promise<boolean>;
  /** running → cancelled; the dataset of an ingest fails with it. */
  cancelled(jobId: string, attempt: number): Promise<boolean>;
  /**
   * The worker lets go of a running job whose shards others do; the attempt stays open, and the next `start` goes on with
   * it. A cancel meanwhile takes effect at once.
   */
  wait(jobId: string, attempt: number): Promise<boolean>;
  /** queued | running → failed, unless a worker has given a sign of life in the last 5 seconds or the job has ended. */
  giveUp(jobId: string, error: JobError): Promise<void>;
  /** The moves of one step of one shard of a running job. */
  shard(shard: number, step: ShardStep): ShardMoves;
}

/**
 * What a worker host writes of a shard, by the id of the job that it is a part of. Shards are counted in the progress and the
 * stage of that job; its log tells of those that are begun again. As with jobs, what a lost attempt writes is not taken.
 */
export interface ShardMoves {
  /** `skip` where the job is not running, or the step of this shard is done. `attempt` counts the beginnings of this step. */
  start(
    jobId: string,
    worker: string,
  ): Promise<{ outcome: 'started'; attempt: number } | { outcome: 'skip'; status: JobStatus }>;
  /** `cancelled` also where the job is running no more. */
  beat(jobId: string, attempt: number, state: { progress: number }): Promise<'go on' | 'cancelled' | 'lost'>;
  succeed(jobId: string, attempt: number): Promise<boolean>;
  /** `final`: the job fails. */
  fail(jobId: string, attempt: number, error: JobError, options: { final: boolean }): Promise<boolean>;
  /** The job is cancelled, where it is still running. */
  cancelled(jobId: string, attempt: number): Promise<boolean>;
}

/** Whether the steps of a shard are done. */
export type ShardState = { number: number; rows: number; scored: boolean; written: boolean };

export interface Datasets {
  /** Writes the dataset and its ingest job in one transaction; `id` is the caller's, who has stored the files under it. */
  create(input: {
    id: string;
    name: string;
    source: DatasetSource;
    requestId: string;
  }): Promise<{ dataset: Dataset; job: Job; attempt: 1 }>;
  get(id: string): Promise<Dataset>;
  /** Newest first. */
  list(
    query: PageQuery & { kind?: DatasetKind | undefined; status?: Dataset['status'] | undefined },
  ): Promise<Page<Dataset>>;
  source(id: string): Promise<DatasetSource>;
  /** What was made of it, and which jobs use it now. */
  dependents(id: string): Promise<DatasetDependents>;
  /**
   * Removes the row; what was made of the dataset stays, without the reference. 'conflict' while a job uses it. The
   * files are the caller's to remove afterwards.
   */
  remove(id: string): Promise<void>;
  /** pending → ready. Done before: nothing happens. 'conflict' where the dataset has failed meanwhile. */
  complete(id: string, profile: DatasetProfile): Promise<void>;
}

export interface Runs {
  /** 'conflict' where the dataset is not ready. Whether its kind fits is the worker's to say. */
  create(input: {
    datasetId: string;
    modelName: string;
    options: TrainingOptions;
    requestId: string;
  }): Promise<{ run: Run; job: Job; attempt: 1 }>;
  get(id: string): Promise<Run>;
  /** In the order of `ids`. 'not-found' naming the first that is not there. */
  getAll(ids: readonly string[]): Promise<Run[]>;
  /** Newest first. */
  list(
    query: PageQuery & {
      datasetId?: string | undefined;
      modelName?: string | undefined;
      status?: JobStatus | undefined;
    },
  ): Promise<Page<RunSummary>>;
  /** Writes one epoch's figures over those that may be there. */
  putEpoch(runId: string, epoch: Epoch): Promise<void>;
  /** For an attempt that starts again from the first epoch. */
  clearEpochs(runId: string): Promise<void>;
  /**
   * Registers the version that the run made: the model is made if it is new, the number is the last one plus 1, and the
   * first version of a model becomes its champion. Done before: answers the version that is there, whatever its id.
   * 'conflict' where the run's job has failed or was cancelled.
   */
  complete(
    runId: string,
    result: {
      versionId: string;
      manifest: ModelManifest;
      evaluation: EvaluationReport;
      artifacts: VersionFile[];
    },
  ): Promise<ModelVersion>;
}

/** Files of a version, as they lie in the artifact store. */
export type VersionFile = { name: ArtifactName; bytes: number; sha256: string };

export interface Leaderboards {
  /** 'conflict' where the dataset is not ready. Without a model name the winner becomes no version. */
  create(input: {
    datasetId: string;
    modelName?: string | undefined;
    options: LeaderboardOptions;
    requestId: string;
  }): Promise<{ leaderboard: Leaderboard; job: Job; attempt: 1 }>;
  get(id: string): Promise<Leaderboard>;
  /** Newest first. */
  list(query: PageQuery & { datasetId?: string | undefined }): Promise<Page<LeaderboardSummary>>;
  /**
   * Takes the report and, where a model name was given and `winner` is not null, registers the winner as `Runs.complete`
   * does. Done before: answers what is there, whatever the new version's id. 'conflict' where the job has failed or was
   * cancelled.
   */
  complete(
    id: string,
    result: {
      report: LeaderboardReport;
      winner: {
        versionId: string;
        manifest: ModelManifest;
        evaluation: EvaluationReport;
        artifacts: VersionFile[];
      } | null;
    },
  ): Promise<Leaderboard>;
}

export interface Models {
  /** Newest first. */
  list(query: PageQuery): Promise<Page<Model>>;
  get(name: string): Promise<Model>;
  /** Newest first. */
  versions(name: string, query: PageQuery): Promise<Page<ModelVersionSummary>>;
  version(name: string, number: number): Promise<ModelVersion>;
  versionById(id: string): Promise<ModelVersion>;
  /**
   * Which version is meant, without what it holds: asked for with every scoring.
   * @param ref a version id, `name` (champion, or else the latest), `name@alias` or `name@number`
   */
  resolve(ref: string): Promise<Pick<ModelVersion, 'id' | 'model' | 'version'>>;
  /**
   * Points `alias` (a Slug) at a version and keeps the move. `champion` moves only to a version that passes the gates, or
   * with `force`: else 'gate-failed', with what each gate says. Moves of one model happen one after the other.
   */
  setAlias(
    name: string,
    alias: string,
    number: number,
    by?: { force?: boolean; movedBy?: string; reason?: string },
  ): Promise<Model>;
  /** What `setAlias` would change, and what the gates say of it now. */
  previewAlias(name: string, alias: string, number: number): Promise<AliasPreview>;
  /**
   * Points the alias where it pointed before its last move; made twice it is back. No gate holds it up, for the version was
   * good enough before; the history keeps what they say. 'conflict' where there is no place to go back to.
   */
  rollBack(name: string, alias: string, by?: { movedBy?: string; reason?: string }): Promise<Model>;
  removeAlias(name: string, alias: string, movedBy?: string): Promise<void>;
  /** Every move of the model's aliases since its second version, newest first; the first version is champion unmoved. */
  moves(name: string, query: PageQuery): Promise<Page<AliasMove>>;
}

export interface Evaluations {
  /** 'conflict' where the dataset is not ready. */
  create(input: {
    datasetId: string;
    versionId: string;
    testOrigin?: Day | undefined;
    requestId: string;
  }): Promise<{ evaluation: Evaluation; job: Job; attempt: 1 }>;
  get(id: string): Promise<Evaluation>;
  /** Newest first. */
  list(query: PageQuery & { versionId?: string | undefined }): Promise<Page<Evaluation>>;
  /** What the worker needs to know; 'conflict' where the dataset was deleted. */
  input(id: string): Promise<{ datasetId: string; versionId: string; testOrigin: Day | null }>;
  /** Done before: nothing happens. 'conflict' where the job has failed or was cancelled. */
  complete(id: string, report: EvaluationReport): Promise<void>;
}

/** What was found of customers in a dataset or a prediction; its next revision, that of the erasure, is stored already. */
type Erased = {
  /** the revision that was read */
  revision: string | null;
  /** ids that were asked for of whom there were rows */
  found: readonly string[];
};

/**
 * Erasures of customers. What they do is counted with the change that it counts, in one transaction: done again after a crash, the
 * counts are those of an undisturbed one.
 */
export interface Erasures {
  create(input: {
    customers: readonly string[];
    requestId: string;
  }): Promise<{ erasure: Erasure; job: Job; attempt: 1 }>;
  get(id: string): Promise<Erasure>;
  /** Newest first. */
  list(query: PageQuery): Promise<Page<Erasure>>;
  /** Whose customers are to be erased, and their ids; 'conflict' where the job has ended, for they are forgotten then. */
  asked(id: string): Promise<{ tenantId: string; customers: string[] }>;
  /** @returns false where nothing was changed, for the dataset is of another revision by now or was deleted */
  datasetErased(
    id: string,
    erased: Erased & { datasetId: string; profile: DatasetProfile; removedRows: number; rejectedValues: number },
  ): Promise<boolean>;
  /** @returns false where nothing was changed, for the prediction is of another revision by now or was deleted */
  predictionErased(
    id: string,
    erased: Erased & {
      predictionId: string;
      rows: number;
      summary: PredictionSummary;
      report: Omit<PredictionReport, 'actual'>;
    },
  ): Promise<boolean>;
  /** Counts uploads that are gone: nothing in the registry changes with them. */
  uploadErased(id: string): Promise<void>;
  /**
   * Takes ids out of what the registry keeps of messages, and forgets kept answers that hold one.
   * @param ids as files hold them: raw and hashed
   * @returns versions of models whose description holds one, as name@number: they cannot be changed
   */
  eraseTexts(id: string, ids: readonly string[]): Promise<string[]>;
  /** No dataset that is ready holds any of the customers now. */
  datasetsAreClean(id: string): Promise<void>;
  /** Jobs that may bring back what was erased, or still read what it was erased from. */
  heldUpBy(id: string): Promise<{ id: string; kind: string }[]>;
  /** Keys and prefixes in the artifact store of what was replaced, until `forgetReplaced`. */
  replaced(id: string): Promise<string[]>;
  forgetReplaced(id: string): Promise<void>;
  /** Erasures that have ended with something replaced that nobody may read any more. */
  leftOver(): Promise<string[]>;
  /** Keeps what could not be searched. */
  complete(id: string, warnings: readonly Warning[]): Promise<void>;
}

export interface Imports {
  /** Writes the import and its job; the files lie in the store already, as uploads of `id`. */
  create(input: {
    id: string;
    modelName: string;
    files: { name: ArtifactName; key: string; bytes: number }[];
    requestId: string;
  }): Promise<{ modelImport: ModelImport; job: Job; attempt: 1 }>;
  get(id: string): Promise<ModelImport>;
  /** What the worker needs to know. */
  input(id: string): Promise<{ modelName: string; files: { name: ArtifactName; key: string; bytes: number }[] }>;
  /**
   * Registers the version, as `Runs.complete` does but without an evaluation. Done before: answers the version that is there,
   * whatever its id. 'conflict' where the job has failed or was cancelled.
   */
  complete(
    id: string,
    version: { versionId: string; manifest: ModelManifest; artifacts: VersionFile[] },
  ): Promise<ModelVersion>;
}

export interface Predictions {
  /** The dataset may be pending: a prediction from an upload waits for its ingest. 'conflict' where it has failed. */
  create(input: {
    datasetId: string;
    versionId: string;
    asOf?: Day | undefined;
    includeInputs: boolean;
    requestId: string;
  }): Promise<{ prediction: Prediction; job: Job; attempt: 1 }>;
  get(id: string): Promise<Prediction>;
  /** Newest first. */
  list(
    query: PageQuery & {
      datasetId?: string | undefined;
      versionId?: string | undefined;
      status?: JobStatus | undefined;
    },
  ): Promise<Page<Prediction>>;
  /** Removes the row; the files are the caller's to remove afterwards. 'conflict' while its job is under way. */
  remove(id: string): Promise<void>;
  /** Cuts a prediction into shards of so many rows, none of them done; shards of a plan before are forgotten. */
  cut(id: string, rows: readonly number[]): Promise<void>;
  /** In order; none where the prediction is made in one go, or is there already. */
  shards(id: string): Promise<ShardState[]>;
  /** Done before: nothing happens. 'conflict' where the job has failed or was cancelled. */
  complete(
    id: string,
    result: {
      rows: number;
      summary: PredictionSummary;
      report: PredictionReport;
      warnings: Warning[];
      asOf: Day | null;
    },
  ): Promise<void>;
  /** Null while it is being made, and for one of an earlier version. */
  report(id: string): Promise<PredictionReport | null>;
}

/** The tenants of an installation; there is always the default one, of the operator. */
export interface Tenants {
  /** With the administrator who makes its other users. 'conflict' where one of the names is taken. */
  create(input: { name: string; admin: { username: string; passwordHash: string } }): Promise<Tenant>;
  /** Newest first. */
  list(query: PageQuery): Promise<Page<Tenant>>;
}

/** Names of users are unique over the installation, for a sign-in says no tenant. */
export interface Users {
  /**
   * Makes the administrator of the environment, in the default tenant, or brings the user that is there to this password, the role
   * admin and in force. 'conflict' where another tenant has a user of that name.
   */
  ensure(input: { username: string; passwordHash: string }): Promise<User>;
  /** 'conflict' where the name is taken. */
  create(input: { username: string; passwordHash: string; role: Role }): Promise<User>;
  /** Newest first. */
  list(query: PageQuery): Promise<Page<User>>;
  /** With the hash of the password, for a sign-in. */
  find(username: string): Promise<(User & { passwordHash: string }) | null>;
  get(id: string): Promise<User>;
  /**
   * Changes what is given. A new password and `disabled` end the sessions of the user.
   * 'conflict' where nobody could administer users afterwards.
   */
  update(
    id: string,
    change: {
      role?: Role | undefined;
      disabled?: boolean | undefined;
      passwordHash?: string | undefined;
    },
  ): Promise<User>;
}

export interface Sessions {
  create(userId: string, tokenHash: string, expiresAt: Date): Promise<void>;
  /** Null where there is none, it has expired or its user is disabled. */
  find(tokenHash: string): Promise<{ user: User; expiresAt: string } | null>;
  remove(tokenHash: string): Promise<void>;
  /** Ends every session of the user. */
  removeAll(userId: string): Promise<void>;
}

export interface ApiKeys {
  /** 'conflict' where this very key exists, revoked or not. */
  create(
    userId: string,
    input: { name: string; prefix: string; hash: string; scope: KeyScope; expiresAt?: string | undefined },
  ): Promise<ApiKey>;
  /** All of the user's keys, newest first, revoked ones too. */
  list(userId: string): Promise<ApiKey[]>;
  /** Null where there is none, it is revoked or has run out, or its user is disabled. Notes the use, at most once a minute. */
  find(hash: string): Promise<{ user: User; key: ApiKey } | null>;
  /** A key that is already revoked stays as it is. */
  revoke(userId: string, id: string): Promise<void>;
}

export interface Audit {
  add(entry: Omit<AuditEntry, 'id' | 'createdAt'>): Promise<void>;
  /** Newest first. @param hidden kinds of resources that the reader is not to see */
  list(query: AuditQuery, hidden?: readonly AuditResource[]): Promise<Page<AuditEntry>>;
}

/** One `Idempotency-Key`, as one user sent it to one route. */
export type IdempotencyRef = { key: string; userId: string; route: string };

export interface Idempotency {
  /**
   * Exactly one of several requests at once gets `new`, and must `settle` or `release`. `conflict`: the key came with
   * another body, or its first request is still under way. Answers are kept for a day; a claim that was never settled,
   * for its gateway died, is given anew after an hour.
   */
  claim(
    ref: IdempotencyRef & { bodyHash: string },
  ): Promise<{ outcome: 'new' } | { outcome: 'replay'; status: number; response: Json } | { outcome: 'conflict' }>;
  settle(ref: IdempotencyRef, status: number, response: Json): Promise<void>;
  /** Forgets a claim whose request failed, so that it can be sent again. A settled one stays. */
  release(ref: IdempotencyRef): Promise<void>;
}

/** The registry as one tenant sees it: what is of another one is not there, and what is made is its own. */
export interface Registry {
  readonly jobs: Jobs;
  readonly datasets: Datasets;
  readonly runs: Runs;
  readonly leaderboards: Leaderboards;
  readonly models: Models;
  readonly evaluations: Evaluations;
  readonly predictions: Predictions;
  readonly imports: Imports;
  readonly erasures: Erasures;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly apiKeys: ApiKeys;
  readonly audit: Audit;
  readonly idempotency: Idempotency;
  /** Which of these names in a folder of the artifact store belong to something that is there or under way. */
  owned(folder: OwnedFolder, names: readonly string[]): Promise<Set<string>>;
  /** One round trip to Postgres. */
  ping(): Promise<void>;
  /** Ends the connections, those of all tenants. */
  close(): Promise<void>;
}

/**
 * The registry of an installation, bound to no tenant: for workers, which get the id of a job that a tenant has made, for sign-in, which
 * does not know the tenant yet, and for what an installation does by itself. It sees what is of any tenant; it makes
 * nothing (but administrators and versions, which say whose they are) and knows no model by its name.
 */
export interface UnboundRegistry extends Registry {
  readonly tenants: Tenants;
  /** The registry of one tenant; the same each time. It shares the connections of this one. */
  forTenant(tenantId: string): Registry;
}
