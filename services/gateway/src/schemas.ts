/**
 * The HTTP face of the contracts: request bodies that refuse unknown fields, parameters, and the names that schemas
 * bear in the OpenAPI document.
 */
import {
  Accepted,
  AliasMove,
  ApiKey,
  ArtifactName,
  CategoricalFeature,
  ColumnProfile,
  CreateApiKey,
  Dataset,
  DatasetProfile,
  Epoch,
  Erasure,
  ErasureResult,
  Evaluation,
  EvaluationReport,
  FeatureSchema,
  GateResult,
  GenerateDataset,
  HistogramBin,
  idOf,
  IngestOptions,
  Job,
  JobAttempt,
  JobError,
  JobKind,
  JobStatus,
  Leaderboard,
  LeaderboardOptions,
  LeaderboardReport,
  LeaderboardSummary,
  LintFinding,
  Login,
  Metrics,
  Model,
  ModelManifest,
  ModelVersion,
  ModelVersionSummary,
  Name,
  NewApiKey,
  NumericFeature,
  pageOf,
  PageQuery,
  Prediction,
  PredictionSummary,
  Problem,
  type ProblemCode,
  PROBLEMS,
  ProtocolReport,
  RejectedRow,
  RowPage,
  Run,
  RunSummary,
  ScoreRequest,
  ScoreResponse,
  SetAlias,
  Slug,
  StartErasure,
  StartEvaluation,
  StartLeaderboard,
  StartPrediction,
  StartRun,
  TrainingOptions,
  Tenant,
  TransactionMapping,
  User,
  Warning,
  Backend,
  BaselineName,
  DatasetKind,
  EvaluationDetail,
  Family,
  FittedParameters,
  ForecasterParameters,
  Head,
  ModelImport,
  ModelMember,
  ModelType,
  Predictor,
  PredictiveDistribution,
  Preset,
  AliasPreview,
  AuditEntry,
  AuditResource,
  ChangePassword,
  CreateTenant,
  CreateUser,
  DatasetDependents,
  JobLog,
  JobLogLine,
  KeyScope,
  Me,
  Role,
  RollBack,
  UpdateUser,
  PredictionRowsQuery,
  RowsQuery,
  PredictionReport,
  Tier,
} from '@clove/contracts';
import { z } from 'zod';

/** Bodies. A field that nobody reads is a misspelt one: it is refused, never dropped. */
export const bodies = {
  Login: Login.strict(),
  CreateApiKey: CreateApiKey.strict(),
  GenerateDataset: GenerateDataset.strict(),
  IngestOptions: IngestOptions.extend({ mapping: TransactionMapping.strict().default({}) }).strict(),
  StartRun: StartRun.strict(),
  StartLeaderboard: StartLeaderboard.strict(),
  StartPrediction: StartPrediction.strict(),
  StartEvaluation: StartEvaluation.strict(),
  ScoreRequest: ScoreRequest.strict(),
  SetAlias: SetAlias.strict(),
  RollBack: RollBack.strict(),
  CreateUser: CreateUser.strict(),
  CreateTenant: CreateTenant.extend({ admin: CreateTenant.shape.admin.strict() }).strict(),
  UpdateUser: UpdateUser.strict(),
  ChangePassword: ChangePassword.strict(),
  StartErasure: StartErasure.strict(),
} as const;

/** Fields of `POST /v1/predictions` from an upload, beside its files. */
export const PredictionFields = StartPrediction.omit({ datasetId: true, includeInputs: true })
  .extend({
    includeInputs: z.stringbool().default(false),
    name: Name.optional(),
    options: bodies.IngestOptions.optional(),
  })
  .strict();

/** Fields of `POST /v1/datasets`, beside its files. */
export const DatasetFields = z.strictObject({ name: Name.optional(), options: bodies.IngestOptions.optional() });

const files = z.array(z.string().meta({ format: 'binary' })).min(1);
/** The forms with their files, for the document: a form is parsed part by part, never as a whole. */
const forms = {
  DatasetForm: DatasetFields.extend({ file: files }),
  PredictionForm: PredictionFields.extend({ file: files }),
  ImportForm: z.strictObject({ file: files }),
} as const;
export type FormName = keyof typeof forms;

export const pages = {
  DatasetPage: pageOf(Dataset),
  RunPage: pageOf(RunSummary),
  LeaderboardPage: pageOf(LeaderboardSummary),
  AliasMovePage: pageOf(AliasMove),
  ModelPage: pageOf(Model),
  VersionPage: pageOf(ModelVersionSummary),
  PredictionPage: pageOf(Prediction),
  EvaluationPage: pageOf(Evaluation),
  ErasurePage: pageOf(Erasure),
  JobPage: pageOf(Job),
  UserPage: pageOf(User),
  TenantPage: pageOf(Tenant),
  AuditPage: pageOf(AuditEntry),
} as const;

export const Runs = z.object({ items: z.array(Run) });
export const ApiKeys = z.object({ items: z.array(ApiKey) });
const Artifact = z.object({
  name: ArtifactName,
  bytes: z.number().int(),
  sha256: z.string(),
  href: z.string().describe('path to download it from'),
});
export const Artifacts = z.object({ items: z.array(Artifact) });
export const VersionMetrics = z.object({
  model: z.string(),
  version: z.number().int(),
  protocol: ProtocolReport,
  testCustomers: z.number().int(),
  metrics: Metrics,
  baselines: EvaluationReport.shape.baselines,
  skippedBaselines: EvaluationReport.shape.skippedBaselines,
});
export const Health = z.object({ status: z.literal('ok') });

export const params = {
  dataset: z.object({ id: idOf('ds') }),
  run: z.object({ id: idOf('run') }),
  leaderboard: z.object({ id: idOf('lbd') }),
  job: z.object({ id: idOf('job') }),
  prediction: z.object({ id: idOf('prd') }),
  evaluation: z.object({ id: idOf('evl') }),
  erasure: z.object({ id: idOf('ers') }),
  apiKey: z.object({ id: idOf('key') }),
  user: z.object({ id: idOf('usr') }),
  modelImport: z.object({ id: idOf('imp') }),
  model: z.object({ name: Slug }),
  version: z.object({ name: Slug, version: z.coerce.number().int().min(1) }),
  artifact: z.object({ name: Slug, version: z.coerce.number().int().min(1), artifact: ArtifactName }),
  alias: z.object({ name: Slug, alias: Slug }),
} as const;

/** Unknown parameters are refused: a misspelt filter must not list everything. */
export const queries = {
  page: PageQuery.strict(),
  datasets: PageQuery.extend({ kind: DatasetKind.optional(), status: Dataset.shape.status.optional() }).strict(),
  predictions: PageQuery.extend({
    datasetId: idOf('ds').optional(),
    versionId: idOf('ver').optional(),
    status: JobStatus.optional(),
  }).strict(),
  jobs: PageQuery.extend({ status: JobStatus.optional(), kind: JobKind.optional() }).strict(),
  runs: PageQuery.extend({
    datasetId: idOf('ds').optional(),
    modelName: Slug.optional(),
    status: JobStatus.optional(),
  }).strict(),
  compare: z.strictObject({
    ids: z
      .string()
      .transform((text) => text.split(','))
      .pipe(z.array(idOf('run')).min(1).max(20))
      .describe('ids of runs, separated by commas'),
  }),
  preview: z.strictObject({ version: z.coerce.number().int().min(1) }),
  log: z.strictObject({ after: z.coerce.number().int().min(0).default(0).describe('number of the last line known') }),
  leaderboards: PageQuery.extend({ datasetId: idOf('ds').optional() }).strict(),
  evaluations: PageQuery.extend({ versionId: idOf('ver').optional() }).strict(),
  rows: RowsQuery.strict(),
  rejected: RowsQuery.omit({ search: true }).strict(),
  predictionRows: PredictionRowsQuery.strict(),
  sample: z.strictObject({ kind: DatasetKind.default('features') }),
  download: z.strictObject({ format: z.enum(['csv', 'parquet']).default('csv') }),
} as const;

/** A JSON answer, for `response` of a route. */
export const json = <T extends z.ZodType>(description: string, schema: T) => ({
  description,
  content: { 'application/json': { schema } },
});

/** A streamed answer: not serialised, only described. */
export const file = (
  description: string,
  ...types: string[]
): { description: string; content: Record<string, { schema: unknown }> } => ({
  description,
  content: Object.fromEntries(types.map((type) => [type, { schema: z.string().meta({ format: 'binary' }) }])),
});

export const noContent = z.null().describe('Done; no content');

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: Problem } },
});

/** What every route under /v1 may meet. */
export const ANYWHERE = ['too-many-requests', 'overloaded', 'unavailable'] as const satisfies ProblemCode[];

/**
 * Problem answers of a route, by code; what every route may meet is under `default`. Typed as nothing, so that handlers are
 * held to their good answers: problems are thrown, never returned.
 */
export const problems = (...codes: ProblemCode[]): Record<never, never> => {
  const byStatus: Record<string, string> = {};
  for (const code of new Set(codes)) {
    const { status, title } = PROBLEMS[code];
    byStatus[status] = [byStatus[status], `${code}: ${title}`].filter(Boolean).join('; ');
  }
  return {
    ...Object.fromEntries(Object.entries(byStatus).map(([status, text]) => [status, problem(text)])),
    default: problem('Any other problem, such as bad-request or internal'),
  };
};

/** Problems of every route that needs a credential; add the route's own. */
export const guarded = (...codes: ProblemCode[]): Record<never, never> =>
  problems('unauthenticated', 'forbidden', ...codes, ...ANYWHERE);

/** Names that OpenAPI and its clients see. Registering again under one name would be an error, so: once, here. */
const COMPONENTS: Record<string, z.ZodType> = {
  ...bodies,
  ...forms,
  ...pages,
  ApiKeys,
  Runs,
  JobLog,
  JobLogLine,
  Artifact,
  Artifacts,
  VersionMetrics,
  Problem,
  Tenant,
  User,
  Me,
  Role,
  KeyScope,
  AuditEntry,
  AuditResource,
  AliasPreview,
  DatasetDependents,
  ApiKey,
  NewApiKey,
  Warning,
  Dataset,
  DatasetProfile,
  ColumnProfile,
  RejectedRow,
  HistogramBin,
  RowPage,
  Job,
  JobAttempt,
  JobError,
  Accepted,
  Run,
  RunSummary,
  Leaderboard,
  LeaderboardSummary,
  LeaderboardOptions,
  LeaderboardReport,
  GateResult,
  AliasMove,
  TrainingOptions,
  Epoch,
  Metrics,
  LintFinding,
  ProtocolReport,
  EvaluationReport,
  Model,
  ModelImport,
  ModelVersion,
  ModelVersionSummary,
  ModelManifest,
  FeatureSchema,
  NumericFeature,
  CategoricalFeature,
  Prediction,
  PredictionReport,
  PredictionSummary,
  Tier,
  ScoreResponse,
  Evaluation,
  EvaluationDetail,
  Erasure,
  ErasureResult,
  ArtifactName,
  Backend,
  BaselineName,
  DatasetKind,
  Family,
  FittedParameters,
  ForecasterParameters,
  Head,
  Health,
  JobKind,
  JobStatus,
  ModelMember,
  ModelType,
  Predictor,
  PredictiveDistribution,
  Preset,
};
for (const [id, schema] of Object.entries(COMPONENTS)) {
  z.globalRegistry.add(schema, { ...z.globalRegistry.get(schema), id });
}
