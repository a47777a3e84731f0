// Generated from services/gateway/openapi.json by "pnpm openapi". Not edited by hand.
import { baseApi as api } from "../base.js";
export const addTagTypes = [
  "system",
  "session",
  "api keys",
  "datasets",
  "runs",
  "leaderboards",
  "models",
  "predictions",
  "evaluations",
  "erasures",
  "jobs",
  "users",
  "audit",
  "tenants",
] as const;
const injectedRtkApi = api
  .enhanceEndpoints({
    addTagTypes,
  })
  .injectEndpoints({
    endpoints: (build) => ({
      getHealth: build.query<GetHealthApiResponse, GetHealthApiArg>({
        query: () => ({ url: `/healthz` }),
        providesTags: ["system"],
      }),
      getReadiness: build.query<GetReadinessApiResponse, GetReadinessApiArg>({
        query: () => ({ url: `/readyz` }),
        providesTags: ["system"],
      }),
      login: build.mutation<LoginApiResponse, LoginApiArg>({
        query: (queryArg) => ({
          url: `/v1/login`,
          method: "POST",
          body: queryArg.login,
        }),
        invalidatesTags: ["session"],
      }),
      logout: build.mutation<LogoutApiResponse, LogoutApiArg>({
        query: (queryArg) => ({
          url: `/v1/logout`,
          method: "POST",
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["session"],
      }),
      getMe: build.query<GetMeApiResponse, GetMeApiArg>({
        query: () => ({ url: `/v1/me` }),
        providesTags: ["session"],
      }),
      changePassword: build.mutation<
        ChangePasswordApiResponse,
        ChangePasswordApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/me/password`,
          method: "PUT",
          body: queryArg.changePassword,
        }),
        invalidatesTags: ["session"],
      }),
      signOutEverywhere: build.mutation<
        SignOutEverywhereApiResponse,
        SignOutEverywhereApiArg
      >({
        query: () => ({ url: `/v1/me/sessions`, method: "DELETE" }),
        invalidatesTags: ["session"],
      }),
      createApiKey: build.mutation<CreateApiKeyApiResponse, CreateApiKeyApiArg>(
        {
          query: (queryArg) => ({
            url: `/v1/api-keys`,
            method: "POST",
            body: queryArg.createApiKey,
            headers: {
              "Idempotency-Key": queryArg["Idempotency-Key"],
            },
          }),
          invalidatesTags: ["api keys"],
        },
      ),
      listApiKeys: build.query<ListApiKeysApiResponse, ListApiKeysApiArg>({
        query: () => ({ url: `/v1/api-keys` }),
        providesTags: ["api keys"],
      }),
      revokeApiKey: build.mutation<RevokeApiKeyApiResponse, RevokeApiKeyApiArg>(
        {
          query: (queryArg) => ({
            url: `/v1/api-keys/${encodeURIComponent(String(queryArg.id))}`,
            method: "DELETE",
          }),
          invalidatesTags: ["api keys"],
        },
      ),
      uploadDataset: build.mutation<
        UploadDatasetApiResponse,
        UploadDatasetApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/datasets`,
          method: "POST",
          body: queryArg.datasetForm,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["datasets"],
      }),
      listDatasets: build.query<ListDatasetsApiResponse, ListDatasetsApiArg>({
        query: (queryArg) => ({
          url: `/v1/datasets`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
            kind: queryArg.kind,
            status: queryArg.status,
          },
        }),
        providesTags: ["datasets"],
      }),
      generateDataset: build.mutation<
        GenerateDatasetApiResponse,
        GenerateDatasetApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/datasets/generate`,
          method: "POST",
          body: queryArg.generateDataset,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["datasets"],
      }),
      getDataset: build.query<GetDatasetApiResponse, GetDatasetApiArg>({
        query: (queryArg) => ({
          url: `/v1/datasets/${encodeURIComponent(String(queryArg.id))}`,
        }),
        providesTags: ["datasets"],
      }),
      deleteDataset: build.mutation<
        DeleteDatasetApiResponse,
        DeleteDatasetApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/datasets/${encodeURIComponent(String(queryArg.id))}`,
          method: "DELETE",
        }),
        invalidatesTags: ["datasets"],
      }),
      getDatasetProfile: build.query<
        GetDatasetProfileApiResponse,
        GetDatasetProfileApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/datasets/${encodeURIComponent(String(queryArg.id))}/profile`,
        }),
        providesTags: ["datasets"],
      }),
      getDatasetRows: build.query<
        GetDatasetRowsApiResponse,
        GetDatasetRowsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/datasets/${encodeURIComponent(String(queryArg.id))}/rows`,
          params: {
            offset: queryArg.offset,
            limit: queryArg.limit,
            sort: queryArg.sort,
            order: queryArg.order,
            search: queryArg.search,
          },
        }),
        providesTags: ["datasets"],
      }),
      getRejectedRows: build.query<
        GetRejectedRowsApiResponse,
        GetRejectedRowsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/datasets/${encodeURIComponent(String(queryArg.id))}/rejected`,
          params: {
            offset: queryArg.offset,
            limit: queryArg.limit,
            sort: queryArg.sort,
            order: queryArg.order,
          },
        }),
        providesTags: ["datasets"],
      }),
      getDatasetDependents: build.query<
        GetDatasetDependentsApiResponse,
        GetDatasetDependentsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/datasets/${encodeURIComponent(String(queryArg.id))}/dependents`,
        }),
        providesTags: ["datasets"],
      }),
      startRun: build.mutation<StartRunApiResponse, StartRunApiArg>({
        query: (queryArg) => ({
          url: `/v1/runs`,
          method: "POST",
          body: queryArg.startRun,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["runs"],
      }),
      listRuns: build.query<ListRunsApiResponse, ListRunsApiArg>({
        query: (queryArg) => ({
          url: `/v1/runs`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
            datasetId: queryArg.datasetId,
            modelName: queryArg.modelName,
            status: queryArg.status,
          },
        }),
        providesTags: ["runs"],
      }),
      compareRuns: build.query<CompareRunsApiResponse, CompareRunsApiArg>({
        query: (queryArg) => ({
          url: `/v1/runs/compare`,
          params: {
            ids: queryArg.ids,
          },
        }),
        providesTags: ["runs"],
      }),
      getRun: build.query<GetRunApiResponse, GetRunApiArg>({
        query: (queryArg) => ({
          url: `/v1/runs/${encodeURIComponent(String(queryArg.id))}`,
        }),
        providesTags: ["runs"],
      }),
      cancelRun: build.mutation<CancelRunApiResponse, CancelRunApiArg>({
        query: (queryArg) => ({
          url: `/v1/runs/${encodeURIComponent(String(queryArg.id))}/cancel`,
          method: "POST",
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["runs"],
      }),
      startLeaderboard: build.mutation<
        StartLeaderboardApiResponse,
        StartLeaderboardApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/leaderboards`,
          method: "POST",
          body: queryArg.startLeaderboard,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["leaderboards"],
      }),
      listLeaderboards: build.query<
        ListLeaderboardsApiResponse,
        ListLeaderboardsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/leaderboards`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
            datasetId: queryArg.datasetId,
          },
        }),
        providesTags: ["leaderboards"],
      }),
      getLeaderboard: build.query<
        GetLeaderboardApiResponse,
        GetLeaderboardApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/leaderboards/${encodeURIComponent(String(queryArg.id))}`,
        }),
        providesTags: ["leaderboards"],
      }),
      listModels: build.query<ListModelsApiResponse, ListModelsApiArg>({
        query: (queryArg) => ({
          url: `/v1/models`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
          },
        }),
        providesTags: ["models"],
      }),
      getModel: build.query<GetModelApiResponse, GetModelApiArg>({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}`,
        }),
        providesTags: ["models"],
      }),
      listVersions: build.query<ListVersionsApiResponse, ListVersionsApiArg>({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/versions`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
          },
        }),
        providesTags: ["models"],
      }),
      importVersion: build.mutation<
        ImportVersionApiResponse,
        ImportVersionApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/versions`,
          method: "POST",
          body: queryArg.importForm,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["models"],
      }),
      getVersion: build.query<GetVersionApiResponse, GetVersionApiArg>({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/versions/${encodeURIComponent(String(queryArg.version))}`,
        }),
        providesTags: ["models"],
      }),
      getVersionMetrics: build.query<
        GetVersionMetricsApiResponse,
        GetVersionMetricsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/versions/${encodeURIComponent(String(queryArg.version))}/metrics`,
        }),
        providesTags: ["models"],
      }),
      listArtifacts: build.query<ListArtifactsApiResponse, ListArtifactsApiArg>(
        {
          query: (queryArg) => ({
            url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/versions/${encodeURIComponent(String(queryArg.version))}/artifacts`,
          }),
          providesTags: ["models"],
        },
      ),
      listAliasMoves: build.query<
        ListAliasMovesApiResponse,
        ListAliasMovesApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/moves`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
          },
        }),
        providesTags: ["models"],
      }),
      setAlias: build.mutation<SetAliasApiResponse, SetAliasApiArg>({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/aliases/${encodeURIComponent(String(queryArg.alias))}`,
          method: "PUT",
          body: queryArg.setAlias,
        }),
        invalidatesTags: ["models"],
      }),
      removeAlias: build.mutation<RemoveAliasApiResponse, RemoveAliasApiArg>({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/aliases/${encodeURIComponent(String(queryArg.alias))}`,
          method: "DELETE",
        }),
        invalidatesTags: ["models"],
      }),
      previewAlias: build.query<PreviewAliasApiResponse, PreviewAliasApiArg>({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/aliases/${encodeURIComponent(String(queryArg.alias))}/preview`,
          params: {
            version: queryArg.version,
          },
        }),
        providesTags: ["models"],
      }),
      rollBackAlias: build.mutation<
        RollBackAliasApiResponse,
        RollBackAliasApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/models/${encodeURIComponent(String(queryArg.name))}/aliases/${encodeURIComponent(String(queryArg.alias))}/rollback`,
          method: "POST",
          body: queryArg.rollBack,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["models"],
      }),
      getImport: build.query<GetImportApiResponse, GetImportApiArg>({
        query: (queryArg) => ({
          url: `/v1/imports/${encodeURIComponent(String(queryArg.id))}`,
        }),
        providesTags: ["models"],
      }),
      startPrediction: build.mutation<
        StartPredictionApiResponse,
        StartPredictionApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/predictions`,
          method: "POST",
          body: queryArg.startPrediction,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["predictions"],
      }),
      listPredictions: build.query<
        ListPredictionsApiResponse,
        ListPredictionsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/predictions`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
            datasetId: queryArg.datasetId,
            versionId: queryArg.versionId,
            status: queryArg.status,
          },
        }),
        providesTags: ["predictions"],
      }),
      getPrediction: build.query<GetPredictionApiResponse, GetPredictionApiArg>(
        {
          query: (queryArg) => ({
            url: `/v1/predictions/${encodeURIComponent(String(queryArg.id))}`,
          }),
          providesTags: ["predictions"],
        },
      ),
      getPredictionReport: build.query<
        GetPredictionReportApiResponse,
        GetPredictionReportApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/predictions/${encodeURIComponent(String(queryArg.id))}/report`,
        }),
        providesTags: ["predictions"],
      }),
      getPredictionRows: build.query<
        GetPredictionRowsApiResponse,
        GetPredictionRowsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/predictions/${encodeURIComponent(String(queryArg.id))}/rows`,
          params: {
            offset: queryArg.offset,
            limit: queryArg.limit,
            sort: queryArg.sort,
            order: queryArg.order,
            search: queryArg.search,
            tier: queryArg.tier,
            min: queryArg.min,
            max: queryArg.max,
          },
        }),
        providesTags: ["predictions"],
      }),
      score: build.mutation<ScoreApiResponse, ScoreApiArg>({
        query: (queryArg) => ({
          url: `/v1/score`,
          method: "POST",
          body: queryArg.scoreRequest,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["predictions"],
      }),
      startEvaluation: build.mutation<
        StartEvaluationApiResponse,
        StartEvaluationApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/evaluations`,
          method: "POST",
          body: queryArg.startEvaluation,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["evaluations"],
      }),
      listEvaluations: build.query<
        ListEvaluationsApiResponse,
        ListEvaluationsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/evaluations`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
            versionId: queryArg.versionId,
          },
        }),
        providesTags: ["evaluations"],
      }),
      getEvaluation: build.query<GetEvaluationApiResponse, GetEvaluationApiArg>(
        {
          query: (queryArg) => ({
            url: `/v1/evaluations/${encodeURIComponent(String(queryArg.id))}`,
          }),
          providesTags: ["evaluations"],
        },
      ),
      startErasure: build.mutation<StartErasureApiResponse, StartErasureApiArg>(
        {
          query: (queryArg) => ({
            url: `/v1/erasures`,
            method: "POST",
            body: queryArg.startErasure,
            headers: {
              "Idempotency-Key": queryArg["Idempotency-Key"],
            },
          }),
          invalidatesTags: ["erasures"],
        },
      ),
      listErasures: build.query<ListErasuresApiResponse, ListErasuresApiArg>({
        query: (queryArg) => ({
          url: `/v1/erasures`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
          },
        }),
        providesTags: ["erasures"],
      }),
      getErasure: build.query<GetErasureApiResponse, GetErasureApiArg>({
        query: (queryArg) => ({
          url: `/v1/erasures/${encodeURIComponent(String(queryArg.id))}`,
        }),
        providesTags: ["erasures"],
      }),
      listJobs: build.query<ListJobsApiResponse, ListJobsApiArg>({
        query: (queryArg) => ({
          url: `/v1/jobs`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
            status: queryArg.status,
            kind: queryArg.kind,
          },
        }),
        providesTags: ["jobs"],
      }),
      getJob: build.query<GetJobApiResponse, GetJobApiArg>({
        query: (queryArg) => ({
          url: `/v1/jobs/${encodeURIComponent(String(queryArg.id))}`,
        }),
        providesTags: ["jobs"],
      }),
      getJobLog: build.query<GetJobLogApiResponse, GetJobLogApiArg>({
        query: (queryArg) => ({
          url: `/v1/jobs/${encodeURIComponent(String(queryArg.id))}/log`,
          params: {
            after: queryArg.after,
          },
        }),
        providesTags: ["jobs"],
      }),
      cancelJob: build.mutation<CancelJobApiResponse, CancelJobApiArg>({
        query: (queryArg) => ({
          url: `/v1/jobs/${encodeURIComponent(String(queryArg.id))}/cancel`,
          method: "POST",
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["jobs"],
      }),
      retryJob: build.mutation<RetryJobApiResponse, RetryJobApiArg>({
        query: (queryArg) => ({
          url: `/v1/jobs/${encodeURIComponent(String(queryArg.id))}/retry`,
          method: "POST",
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["jobs"],
      }),
      listUsers: build.query<ListUsersApiResponse, ListUsersApiArg>({
        query: (queryArg) => ({
          url: `/v1/users`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
          },
        }),
        providesTags: ["users"],
      }),
      createUser: build.mutation<CreateUserApiResponse, CreateUserApiArg>({
        query: (queryArg) => ({
          url: `/v1/users`,
          method: "POST",
          body: queryArg.createUser,
          headers: {
            "Idempotency-Key": queryArg["Idempotency-Key"],
          },
        }),
        invalidatesTags: ["users"],
      }),
      getUser: build.query<GetUserApiResponse, GetUserApiArg>({
        query: (queryArg) => ({
          url: `/v1/users/${encodeURIComponent(String(queryArg.id))}`,
        }),
        providesTags: ["users"],
      }),
      updateUser: build.mutation<UpdateUserApiResponse, UpdateUserApiArg>({
        query: (queryArg) => ({
          url: `/v1/users/${encodeURIComponent(String(queryArg.id))}`,
          method: "PATCH",
          body: queryArg.updateUser,
        }),
        invalidatesTags: ["users"],
      }),
      endUserSessions: build.mutation<
        EndUserSessionsApiResponse,
        EndUserSessionsApiArg
      >({
        query: (queryArg) => ({
          url: `/v1/users/${encodeURIComponent(String(queryArg.id))}/sessions`,
          method: "DELETE",
        }),
        invalidatesTags: ["users"],
      }),
      listAudit: build.query<ListAuditApiResponse, ListAuditApiArg>({
        query: (queryArg) => ({
          url: `/v1/audit`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
            actor: queryArg.actor,
            action: queryArg.action,
            resourceType: queryArg.resourceType,
            resourceId: queryArg.resourceId,
          },
        }),
        providesTags: ["audit"],
      }),
      listTenants: build.query<ListTenantsApiResponse, ListTenantsApiArg>({
        query: (queryArg) => ({
          url: `/v1/tenants`,
          params: {
            cursor: queryArg.cursor,
            limit: queryArg.limit,
          },
        }),
        providesTags: ["tenants"],
      }),
      createTenant: build.mutation<CreateTenantApiResponse, CreateTenantApiArg>(
        {
          query: (queryArg) => ({
            url: `/v1/tenants`,
            method: "POST",
            body: queryArg.createTenant,
            headers: {
              "Idempotency-Key": queryArg["Idempotency-Key"],
            },
          }),
          invalidatesTags: ["tenants"],
        },
      ),
    }),
    overrideExisting: false,
  });
export { injectedRtkApi as cloveApi };
export type GetHealthApiResponse = /** status 200 Alive */ Health;
export type GetHealthApiArg = void;
export type GetReadinessApiResponse = /** status 200 Ready */ Health;
export type GetReadinessApiArg = void;
export type LoginApiResponse = /** status 200 Signed in */ Me;
export type LoginApiArg = {
  login: Login;
};
export type LogoutApiResponse = unknown;
export type LogoutApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
};
export type GetMeApiResponse = /** status 200 The user of this credential */ Me;
export type GetMeApiArg = void;
export type ChangePasswordApiResponse = unknown;
export type ChangePasswordApiArg = {
  changePassword: ChangePassword;
};
export type SignOutEverywhereApiResponse = unknown;
export type SignOutEverywhereApiArg = void;
export type CreateApiKeyApiResponse =
  /** status 201 The key with its secret */ NewApiKey;
export type CreateApiKeyApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  createApiKey: CreateApiKey;
};
export type ListApiKeysApiResponse =
  /** status 200 All keys, newest first, revoked ones too */ ApiKeys;
export type ListApiKeysApiArg = void;
export type RevokeApiKeyApiResponse = unknown;
export type RevokeApiKeyApiArg = {
  id: string;
};
export type UploadDatasetApiResponse =
  /** status 202 Stored; a job ingests it */ Accepted;
export type UploadDatasetApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  datasetForm: DatasetForm;
};
export type ListDatasetsApiResponse = /** status 200 One page */ DatasetPage;
export type ListDatasetsApiArg = {
  cursor?: string;
  limit?: number;
  kind?: DatasetKind;
  status?: "pending" | "ready" | "failed";
};
export type GenerateDatasetApiResponse =
  /** status 202 Accepted; a job makes it */ Accepted;
export type GenerateDatasetApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  generateDataset: GenerateDataset;
};
export type GetDatasetApiResponse = /** status 200 The dataset */ Dataset;
export type GetDatasetApiArg = {
  id: string;
};
export type DeleteDatasetApiResponse = unknown;
export type DeleteDatasetApiArg = {
  id: string;
};
export type GetDatasetProfileApiResponse =
  /** status 200 The profile */ DatasetProfile;
export type GetDatasetProfileApiArg = {
  id: string;
};
export type GetDatasetRowsApiResponse =
  /** status 200 Rows by position */ RowPage;
export type GetDatasetRowsApiArg = {
  offset?: number;
  limit?: number;
  /** column name */
  sort?: string;
  order?: "asc" | "desc";
  /** customer ids that contain this, letter case ignored */
  search?: string;
  id: string;
};
export type GetRejectedRowsApiResponse =
  /** status 200 Rows by position */ RowPage;
export type GetRejectedRowsApiArg = {
  offset?: number;
  limit?: number;
  /** column name */
  sort?: string;
  order?: "asc" | "desc";
  id: string;
};
export type GetDatasetDependentsApiResponse =
  /** status 200 Counts and names */ DatasetDependents;
export type GetDatasetDependentsApiArg = {
  id: string;
};
export type StartRunApiResponse =
  /** status 202 Accepted; a job trains */ Accepted;
export type StartRunApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  startRun: StartRun;
};
export type ListRunsApiResponse = /** status 200 One page */ RunPage;
export type ListRunsApiArg = {
  cursor?: string;
  limit?: number;
  datasetId?: string;
  modelName?: string;
  status?: JobStatus;
};
export type CompareRunsApiResponse = /** status 200 The runs */ Runs;
export type CompareRunsApiArg = {
  /** ids of runs, separated by commas */
  ids: string;
};
export type GetRunApiResponse = /** status 200 The run */ Run;
export type GetRunApiArg = {
  id: string;
};
export type CancelRunApiResponse =
  /** status 202 Asked for; a running job ends within seconds */ Accepted;
export type CancelRunApiArg = {
  id: string;
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
};
export type StartLeaderboardApiResponse =
  /** status 202 Accepted; a job trains and ranks */ Accepted;
export type StartLeaderboardApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  startLeaderboard: StartLeaderboard;
};
export type ListLeaderboardsApiResponse =
  /** status 200 One page */ LeaderboardPage;
export type ListLeaderboardsApiArg = {
  cursor?: string;
  limit?: number;
  datasetId?: string;
};
export type GetLeaderboardApiResponse =
  /** status 200 The leaderboard */ Leaderboard;
export type GetLeaderboardApiArg = {
  id: string;
};
export type ListModelsApiResponse = /** status 200 One page */ ModelPage;
export type ListModelsApiArg = {
  cursor?: string;
  limit?: number;
};
export type GetModelApiResponse = /** status 200 The model */ Model;
export type GetModelApiArg = {
  name: string;
};
export type ListVersionsApiResponse = /** status 200 One page */ VersionPage;
export type ListVersionsApiArg = {
  cursor?: string;
  limit?: number;
  name: string;
};
export type ImportVersionApiResponse =
  /** status 202 Stored; a job checks and registers it */ Accepted;
export type ImportVersionApiArg = {
  name: string;
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  importForm: ImportForm;
};
export type GetVersionApiResponse = /** status 200 The version */ ModelVersion;
export type GetVersionApiArg = {
  name: string;
  version: number;
};
export type GetVersionMetricsApiResponse =
  /** status 200 The figures */ VersionMetrics;
export type GetVersionMetricsApiArg = {
  name: string;
  version: number;
};
export type ListArtifactsApiResponse = /** status 200 The files */ Artifacts;
export type ListArtifactsApiArg = {
  name: string;
  version: number;
};
export type ListAliasMovesApiResponse =
  /** status 200 One page */ AliasMovePage;
export type ListAliasMovesApiArg = {
  cursor?: string;
  limit?: number;
  name: string;
};
export type SetAliasApiResponse = /** status 200 The model */ Model;
export type SetAliasApiArg = {
  name: string;
  alias: string;
  setAlias: SetAlias;
};
export type RemoveAliasApiResponse = unknown;
export type RemoveAliasApiArg = {
  name: string;
  alias: string;
};
export type PreviewAliasApiResponse =
  /** status 200 What would change */ AliasPreview;
export type PreviewAliasApiArg = {
  version: number;
  name: string;
  alias: string;
};
export type RollBackAliasApiResponse = /** status 200 The model */ Model;
export type RollBackAliasApiArg = {
  name: string;
  alias: string;
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  rollBack: RollBack;
};
export type GetImportApiResponse = /** status 200 The import */ ModelImport;
export type GetImportApiArg = {
  id: string;
};
export type StartPredictionApiResponse =
  /** status 202 Accepted; a job scores, after the ingest of what was uploaded */ Accepted;
export type StartPredictionApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  startPrediction: StartPrediction;
};
export type ListPredictionsApiResponse =
  /** status 200 One page */ PredictionPage;
export type ListPredictionsApiArg = {
  cursor?: string;
  limit?: number;
  datasetId?: string;
  versionId?: string;
  status?: JobStatus;
};
export type GetPredictionApiResponse =
  /** status 200 The prediction */ Prediction;
export type GetPredictionApiArg = {
  id: string;
};
export type GetPredictionReportApiResponse =
  /** status 200 The report */ PredictionReport;
export type GetPredictionReportApiArg = {
  id: string;
};
export type GetPredictionRowsApiResponse =
  /** status 200 Rows by position */ RowPage;
export type GetPredictionRowsApiArg = {
  offset?: number;
  limit?: number;
  /** column name */
  sort?: string;
  order?: "asc" | "desc";
  /** customer ids that contain this, letter case ignored */
  search?: string;
  tier?: Tier;
  /** predicted_clv at least */
  min?: number;
  /** predicted_clv at most */
  max?: number;
  id: string;
};
export type ScoreApiResponse =
  /** status 200 One prediction a row, in order */ ScoreResponse;
export type ScoreApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  scoreRequest: ScoreRequest;
};
export type StartEvaluationApiResponse =
  /** status 202 Accepted; a job evaluates */ Accepted;
export type StartEvaluationApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  startEvaluation: StartEvaluation;
};
export type ListEvaluationsApiResponse =
  /** status 200 One page */ EvaluationPage;
export type ListEvaluationsApiArg = {
  cursor?: string;
  limit?: number;
  versionId?: string;
};
export type GetEvaluationApiResponse =
  /** status 200 The evaluation */ Evaluation;
export type GetEvaluationApiArg = {
  id: string;
};
export type StartErasureApiResponse =
  /** status 202 Accepted; a job erases */ Accepted;
export type StartErasureApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  startErasure: StartErasure;
};
export type ListErasuresApiResponse = /** status 200 One page */ ErasurePage;
export type ListErasuresApiArg = {
  cursor?: string;
  limit?: number;
};
export type GetErasureApiResponse = /** status 200 The erasure */ Erasure;
export type GetErasureApiArg = {
  id: string;
};
export type ListJobsApiResponse = /** status 200 One page */ JobPage;
export type ListJobsApiArg = {
  cursor?: string;
  limit?: number;
  status?: JobStatus;
  kind?: JobKind;
};
export type GetJobApiResponse = /** status 200 The job */ Job;
export type GetJobApiArg = {
  id: string;
};
export type GetJobLogApiResponse =
  /** status 200 The lines, oldest first */ JobLog;
export type GetJobLogApiArg = {
  /** number of the last line known */
  after?: number;
  id: string;
};
export type CancelJobApiResponse =
  /** status 202 Asked for; a running job ends within seconds */ Accepted;
export type CancelJobApiArg = {
  id: string;
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
};
export type RetryJobApiResponse = /** status 202 Queued again */ Accepted;
export type RetryJobApiArg = {
  id: string;
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
};
export type ListUsersApiResponse = /** status 200 One page */ UserPage;
export type ListUsersApiArg = {
  cursor?: string;
  limit?: number;
};
export type CreateUserApiResponse = /** status 201 The user */ User;
export type CreateUserApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  createUser: CreateUser;
};
export type GetUserApiResponse = /** status 200 The user */ User;
export type GetUserApiArg = {
  id: string;
};
export type UpdateUserApiResponse = /** status 200 The user */ User;
export type UpdateUserApiArg = {
  id: string;
  updateUser: UpdateUser;
};
export type EndUserSessionsApiResponse = unknown;
export type EndUserSessionsApiArg = {
  id: string;
};
export type ListAuditApiResponse = /** status 200 One page */ AuditPage;
export type ListAuditApiArg = {
  cursor?: string;
  limit?: number;
  actor?: string;
  action?: string;
  resourceType?: AuditResource;
  /** a model also finds what was done to its versions and aliases */
  resourceId?: string;
};
export type ListTenantsApiResponse = /** status 200 One page */ TenantPage;
export type ListTenantsApiArg = {
  cursor?: string;
  limit?: number;
};
export type CreateTenantApiResponse = /** status 201 The tenant */ Tenant;
export type CreateTenantApiArg = {
  /** The same key with the same request gets the first answer again, and nothing is done twice */
  "Idempotency-Key"?: string;
  createTenant: CreateTenant;
};
export type Health = {
  status: "ok";
};
export type GateResult = {
  gate: "total-bias" | "calibration" | "champion" | "probabilistic-baseline";
  passed: boolean;
  /** the figure that decided */
  measure: "totalBias" | "decileMape" | "normalizedGini";
  /** of the version; null where it is undefined on these test rows */
  figure: number | null;
  /** what it may at most be, for normalizedGini at least; null: nothing to hold it against */
  limit: number | null;
  message: string;
};
export type Problem = {
  /** urn:clove:problem:CODE */
  type: string;
  title: string;
  status: number;
  /** what is wrong and what to do */
  detail: string;
  instance?: string | undefined;
  code: string;
  requestId: string;
  errors?:
    | {
        pointer: string;
        detail: string;
      }[]
    | undefined;
  /** gate-failed: what each gate says, with its figures */
  gates?: GateResult[] | undefined;
};
export type Role = "admin" | "analyst" | "viewer";
export type KeyScope = "read" | "write";
export type Me = {
  id: string;
  username: string;
  tenant: {
    id: string;
    name: string;
  };
  role: Role;
  /** set: the user cannot sign in and the keys of the user do not work */
  disabledAt: string | null;
  createdAt: string;
  via: "session" | "api-key";
  scope: KeyScope;
  /** when the session or the key runs out; null: it does not */
  expiresAt: string | null;
};
export type Login = {
  username: string;
  password: string;
};
export type ChangePassword = {
  current: string;
  password: string;
};
export type NewApiKey = {
  id: string;
  name: string;
  /** the first characters of the secret, to recognise it by */
  prefix: string;
  scope: KeyScope;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
  secret: string;
};
export type CreateApiKey = {
  name: string;
  scope?: KeyScope | undefined;
  /** in the future; left out: the key does not run out */
  expiresAt?: string | undefined;
};
export type ApiKey = {
  id: string;
  name: string;
  /** the first characters of the secret, to recognise it by */
  prefix: string;
  scope: KeyScope;
  createdAt: string;
  expiresAt: string | null;
  lastUsedAt: string | null;
  revokedAt: string | null;
};
export type ApiKeys = {
  items: ApiKey[];
};
export type JobKind =
  | "ingest"
  | "train"
  | "leaderboard"
  | "evaluate"
  | "predict"
  | "import"
  | "erasure";
export type JobStatus =
  "queued" | "running" | "succeeded" | "failed" | "cancelled";
export type JobError = {
  code: string;
  message: string;
  retryable: boolean;
};
export type JobAttempt = {
  number: number;
  /** host, process id and service */
  worker: string;
  status: "running" | "succeeded" | "failed" | "cancelled" | "lost";
  startedAt: string;
  finishedAt: string | null;
  error: JobError | null;
};
export type Job = {
  id: string;
  kind: JobKind;
  status: JobStatus;
  progress: number;
  /** what is going on now, for people */
  stage: string;
  /** what the job makes */
  resource: {
    type:
      | "dataset"
      | "run"
      | "leaderboard"
      | "evaluation"
      | "prediction"
      | "import"
      | "erasure";
    id: string;
  };
  attempts: JobAttempt[];
  error: JobError | null;
  cancelRequested: boolean;
  requestId: string;
  revision: number;
  createdAt: string;
  startedAt: string | null;
  finishedAt: string | null;
};
export type Accepted = {
  job: Job;
  /** id of the resource being made */
  id: string;
};
export type DatasetKind = "transactions" | "features";
export type Preset = "olist" | "cdnow" | "online-retail";
export type IngestOptions = {
  /** detected from the header when left out */
  kind?: DatasetKind | undefined;
  /** a known public layout, which needs no mapping */
  preset?: Preset | undefined;
  mapping?:
    | {
        /** column of the customer id */
        customer?: string | undefined;
        /** column of the date or time of the purchase */
        time?: string | undefined;
        /** column of the money spent; negative for a return */
        amount?: string | undefined;
        /** column of the number of pieces, used with price */
        quantity?: string | undefined;
        /** column of the price of one piece, used with quantity */
        price?: string | undefined;
        /** order or invoice number; without it the purchases of one customer at one time are one order */
        order?: string | undefined;
        /** column of the product */
        product?: string | undefined;
        /** column of the product category */
        category?: string | undefined;
        /** column of the way of paying */
        paymentType?: string | undefined;
        /** column of the customer's city, region or country */
        place?: string | undefined;
      }
    | undefined;
  /** one character between the fields; detected when left out */
  delimiter?: string | undefined;
  /** whether the first line names the columns; detected when left out */
  header?: boolean | undefined;
  /** strptime form such as %d/%m/%Y; detected when left out, refused when two forms would both fit */
  dateFormat?: string | undefined;
  /** features: the customer id; found by content when left out */
  idColumn?: string | undefined;
  /** features: columns that are no features */
  ignoreColumns?: string[] | undefined;
  /** features: the target; `clv` when left out */
  targetColumn?: string | undefined;
  /** olist: which orders count; delivered when left out */
  orderStatuses?: string[] | undefined;
  /** of all amounts, by its ISO 4217 code; none when left out */
  currency?: string | undefined;
  /** keep customer ids as HMAC-SHA256 by CUSTOMER_ID_SECRET, and neither the ids nor the files as they were sent */
  hashCustomers?: boolean | undefined;
};
export type DatasetForm = {
  name?: string | undefined;
  options?: IngestOptions | undefined;
  file: Blob[];
};
export type Warning = {
  /** stable, kebab-case */
  code: string;
  /** what was seen, what was done about it, and what the user may do */
  message: string;
  /** rows or values concerned */
  count?: number | undefined;
};
export type Dataset = {
  id: string;
  name: string;
  status: "pending" | "ready" | "failed";
  /** null until the ingest has found out */
  kind: DatasetKind | null;
  rows: number | null;
  customers: number | null;
  rejectedRows: number | null;
  source: {
    type: "upload" | "generator";
    files: {
      name: string;
      bytes: number;
    }[];
    preset: Preset | null;
  };
  /** of all amounts; null where none was given */
  currency: string | null;
  warnings: Warning[];
  /** the erasure that wrote its files as they are now; null: they are as ingested */
  revision: string | null;
  /** customers whose rows erasures took out */
  erasedCustomers: number;
  /** the last time that rows were taken out; null: never */
  erasedAt: string | null;
  jobId: string | null;
  createdAt: string;
};
export type DatasetPage = {
  items: Dataset[];
  next: string | null;
};
export type GenerateDataset = {
  /** transactions: an order history; features: the 16-column customer table */
  generator: DatasetKind;
  /** number of customers */
  customers: number;
  /** the same seed gives the same data */
  seed?: number | undefined;
  /** what amounts are shown in, by its ISO 4217 code; none when left out */
  currency?: string | undefined;
  name?: string | undefined;
};
export type RejectedRow = {
  file: string;
  row: number;
  column: string | null;
  value: string | null;
  reason: string;
};
export type HistogramBin = {
  from: number;
  to: number;
  count: number;
};
export type ColumnProfile = {
  name: string;
  type: "number" | "integer" | "boolean" | "timestamp" | "text";
  role:
    | "customer"
    | "time"
    | "amount"
    | "order"
    | "attribute"
    | "id"
    | "target"
    | "feature"
    | "ignored";
  missing: number;
  /** approximate above 10,000 */
  distinct: number;
  min: number | string | null;
  max: number | string | null;
  mean: number | null;
  sd: number | null;
  /** from evenly spaced rows above 100,000 */
  quantiles: {
    p01: number;
    p05: number;
    p25: number;
    p50: number;
    p75: number;
    p95: number;
    p99: number;
  } | null;
  /** from evenly spaced rows above 100,000, scaled to all values */
  histogram: HistogramBin[] | null;
  /** the 20 most frequent values */
  categories:
    | {
        value: string;
        count: number;
      }[]
    | null;
};
export type DatasetProfile = {
  kind: DatasetKind;
  /** rows taken */
  rows: number;
  customers: number;
  orders: number | null;
  rejectedRows: number;
  rejectedByReason: {
    reason: string;
    count: number;
  }[];
  rejectedSample: RejectedRow[];
  /** rows equal to another in every column; kept, for they can be real purchases */
  duplicateRows: number;
  firstTime: string | null;
  lastTime: string | null;
  totalAmount: number | null;
  /** features: the target, null where there is none */
  targetColumn: string | null;
  /** features: the id column found or given; null where row numbers serve */
  idColumn: string | null;
  columns: ColumnProfile[];
  warnings: Warning[];
  /** how the files were read; null for generated data */
  reading: {
    files: {
      name: string;
      rows: number;
      format: "csv" | "parquet";
      delimiter: string | null;
    }[];
    /** meaning to column, as used */
    mapping: {
      [key: string]: string;
    };
    dateFormat: string | null;
    preset: Preset | null;
  } | null;
  /** left out where none was given */
  currency?: string | undefined;
};
export type RowPage = {
  columns: string[];
  rows: (string | number | boolean | null)[][];
  offset: number;
  total: number;
};
export type DatasetDependents = {
  runs: number;
  leaderboards: number;
  evaluations: number;
  predictions: number;
  /** versions trained on it, as name@number; at most 100 */
  models: string[];
  /** jobs that use it now: while there is one, it cannot be deleted */
  activeJobs: {
    id: string;
    kind: string;
    status: string;
  }[];
};
export type Head = "mse" | "huber" | "poisson" | "tweedie" | "ziln";
export type Backend =
  | "auto"
  | "onnx-cpu"
  | "onnx-webgpu"
  | "onnx-cuda"
  | "tfjs-node-gpu"
  | "tfjs-node"
  | "tfjs-wasm"
  | "tfjs-cpu";
export type StartRun = {
  /** type of the model */
  model?:
    | (
        | "feedforward"
        | "lstm"
        | "gru"
        | "transformer"
        | "trees"
        | "bg-nbd"
        | "mbg-nbd"
        | "pareto-nbd"
      )
    | undefined;
  /** what networks and trees are trained for; probabilistic models have none */
  head?: Head | undefined;
  /** transactions: learn a multiplier of the forecast of this probabilistic model; networks and trees, head poisson or tweedie */
  anchor?: ("none" | "bg-nbd" | "mbg-nbd" | "pareto-nbd") | undefined;
  /** transactions, without an anchor: the probabilistic model whose P(alive), expected orders and expected spend are features */
  forecastFeatures?: ("none" | "bg-nbd" | "mbg-nbd" | "pareto-nbd") | undefined;
  /** with an anchor: whether the total is held to the anchor's; auto decides on an earlier origin */
  level?: ("free" | "held" | "auto") | undefined;
  /** members trained from different seeds; their mean predicts */
  seeds?: number | undefined;
  /** units of each hidden layer */
  hidden?: number[] | undefined;
  /** after each hidden layer */
  activation?: ("relu" | "silu") | undefined;
  /** lstm, gru, transformer: last orders read */
  sequenceLength?: number | undefined;
  /** lstm, gru, transformer: width of the encoder */
  sequenceUnits?: number | undefined;
  /** lstm, gru, transformer: stacked layers */
  sequenceLayers?: number | undefined;
  /** transformer: heads, a divisor of sequenceUnits */
  attentionHeads?: number | undefined;
  /** trees: at most; validation stops earlier */
  treeCount?: number | undefined;
  /** trees: levels of a tree */
  treeDepth?: number | undefined;
  /** trees: least rows in a leaf */
  minLeaf?: number | undefined;
  /** trees: learning rate */
  treeRate?: number | undefined;
  /** batch normalisation after each hidden layer */
  batchNorm?: boolean | undefined;
  /** share of units dropped in training */
  dropout?: number | undefined;
  /** networks: Adam, or AdamW, whose weights decay apart from the gradient */
  optimizer?: ("adam" | "adamw") | undefined;
  /** learning rate of the optimizer at the start */
  learningRate?: number | undefined;
  /** adam: L2 penalty added to the gradient; adamw: share of a weight that goes each step, times the rate */
  weightDecay?: number | undefined;
  /** networks: gradients are scaled down to this Euclidean norm, all together; not when left out */
  clipNorm?: number | undefined;
  /** rows of one training step */
  batchSize?: number | undefined;
  /** epochs at most */
  epochs?: number | undefined;
  /** early stopping: epochs without a better validation loss */
  patience?: number | undefined;
  /** ReduceLROnPlateau factor */
  lrFactor?: number | undefined;
  /** ReduceLROnPlateau patience, in epochs */
  lrPatience?: number | undefined;
  /** protocol random: share of customers held out for the test */
  testFraction?: number | undefined;
  /** share of the remaining customers that steers early stopping */
  validationFraction?: number | undefined;
  /** seed of every random draw: the same seed gives the same model */
  seed?: number | undefined;
  /** what runs the training; auto takes the fastest that is present */
  backend?: Backend | undefined;
  /** onnx-webgpu, onnx-cuda: the processor runs what the device cannot; refused otherwise */
  cpuFallback?: boolean | undefined;
  /** native threads; chosen by the engine when left out */
  threads?: number | undefined;
  /** features: target column, `clv` when left out */
  target?: string | undefined;
  /** features: columns not to learn from */
  ignoreColumns?: string[] | undefined;
  /** transactions: predict the spend of this many days after the origin */
  horizonDays?: number | undefined;
  /** transactions: the last date whose horizon is fully observed when left out */
  testOrigin?: string | undefined;
  /** transactions: number of training origins */
  origins?: number | undefined;
  /** transactions: days between training origins */
  originStrideDays?: number | undefined;
  datasetId: string;
  /** the registry model that receives the new version */
  modelName?: string | undefined;
};
export type TrainingOptions = {
  /** type of the model */
  model:
    | "feedforward"
    | "lstm"
    | "gru"
    | "transformer"
    | "trees"
    | "bg-nbd"
    | "mbg-nbd"
    | "pareto-nbd";
  /** what networks and trees are trained for; probabilistic models have none */
  head: Head;
  /** transactions: learn a multiplier of the forecast of this probabilistic model; networks and trees, head poisson or tweedie */
  anchor: "none" | "bg-nbd" | "mbg-nbd" | "pareto-nbd";
  /** transactions, without an anchor: the probabilistic model whose P(alive), expected orders and expected spend are features */
  forecastFeatures: "none" | "bg-nbd" | "mbg-nbd" | "pareto-nbd";
  /** with an anchor: whether the total is held to the anchor's; auto decides on an earlier origin */
  level: "free" | "held" | "auto";
  /** members trained from different seeds; their mean predicts */
  seeds: number;
  /** units of each hidden layer */
  hidden: number[];
  /** after each hidden layer */
  activation: "relu" | "silu";
  /** lstm, gru, transformer: last orders read */
  sequenceLength: number;
  /** lstm, gru, transformer: width of the encoder */
  sequenceUnits: number;
  /** lstm, gru, transformer: stacked layers */
  sequenceLayers: number;
  /** transformer: heads, a divisor of sequenceUnits */
  attentionHeads: number;
  /** trees: at most; validation stops earlier */
  treeCount: number;
  /** trees: levels of a tree */
  treeDepth: number;
  /** trees: least rows in a leaf */
  minLeaf: number;
  /** trees: learning rate */
  treeRate: number;
  /** batch normalisation after each hidden layer */
  batchNorm: boolean;
  /** share of units dropped in training */
  dropout: number;
  /** networks: Adam, or AdamW, whose weights decay apart from the gradient */
  optimizer: "adam" | "adamw";
  /** learning rate of the optimizer at the start */
  learningRate: number;
  /** adam: L2 penalty added to the gradient; adamw: share of a weight that goes each step, times the rate */
  weightDecay: number;
  /** networks: gradients are scaled down to this Euclidean norm, all together; not when left out */
  clipNorm?: number | undefined;
  /** rows of one training step */
  batchSize: number;
  /** epochs at most */
  epochs: number;
  /** early stopping: epochs without a better validation loss */
  patience: number;
  /** ReduceLROnPlateau factor */
  lrFactor: number;
  /** ReduceLROnPlateau patience, in epochs */
  lrPatience: number;
  /** protocol random: share of customers held out for the test */
  testFraction: number;
  /** share of the remaining customers that steers early stopping */
  validationFraction: number;
  /** seed of every random draw: the same seed gives the same model */
  seed: number;
  /** what runs the training; auto takes the fastest that is present */
  backend: Backend;
  /** onnx-webgpu, onnx-cuda: the processor runs what the device cannot; refused otherwise */
  cpuFallback: boolean;
  /** native threads; chosen by the engine when left out */
  threads?: number | undefined;
  /** features: target column, `clv` when left out */
  target?: string | undefined;
  /** features: columns not to learn from */
  ignoreColumns: string[];
  /** transactions: predict the spend of this many days after the origin */
  horizonDays: number;
  /** transactions: the last date whose horizon is fully observed when left out */
  testOrigin?: string | undefined;
  /** transactions: number of training origins */
  origins: number;
  /** transactions: days between training origins */
  originStrideDays: number;
};
export type RunSummary = {
  id: string;
  /** null where the dataset was deleted */
  datasetId: string | null;
  jobId: string;
  status: JobStatus;
  modelName: string;
  versionId: string | null;
  version: number | null;
  options: TrainingOptions;
  /** backend, device and threads that trained it */
  backend: string | null;
  bestEpoch: number | null;
  createdAt: string;
};
export type RunPage = {
  items: RunSummary[];
  next: string | null;
};
export type Epoch = {
  epoch: number;
  trainLoss: number;
  validationLoss: number;
  learningRate: number;
  seconds: number;
};
export type ProtocolReport = {
  name: "forward" | "random";
  /** null for a features dataset, whose target has no stated horizon */
  horizonDays: number | null;
  testOrigin: string | null;
  trainingOrigins: string[];
  trainRows: number;
  validationRows: number;
  testRows: number;
  seed: number;
};
export type Metrics = {
  /** root mean squared error */
  rmse: number;
  /** mean absolute error */
  mae: number;
  /** 1 - SSE/SST; null where all actuals are equal */
  r2: number | null;
  /** mean |error|/actual over customers with actual > 0; null where there is none */
  mape: number | null;
  /** share of customers that mape covers */
  mapeShare: number;
  /** sum(predicted)/sum(actual) - 1; null where the actual total is 0 */
  totalBias: number | null;
  /** rank correlation, ties at their mean rank; null where either side is constant */
  spearman: number | null;
  /** Gini of actuals ordered by prediction over Gini of actuals ordered by themselves */
  normalizedGini: number | null;
  /** Gini of actuals ordered by prediction: normalizedGini times the Gini of the actuals themselves */
  rawGini?: (number | null) | undefined;
  /** mean over ten equal-count groups by prediction of |mean predicted - mean actual| / mean actual */
  decileMape: number | null;
  /** sum |error| / sum actual; null where that is 0 */
  wape?: (number | null) | undefined;
  /** area under the ROC curve of the probability to buy; null where the model states none, or all or none buy */
  auc?: (number | null) | undefined;
  /** mean squared error of that probability */
  brier?: (number | null) | undefined;
  /** share of customers whose randomised PIT lies in [0.1, 0.9]; null where the model states no interval */
  coverage80?: (number | null) | undefined;
};
export type LintFinding = {
  code:
    | "feature-predicts-target"
    | "duplicate-rows-across-split"
    | "overlapping-label-windows"
    | "id-used-as-feature"
    | "target-is-function-of-features";
  severity: "info" | "warning" | "error";
  message: string;
  columns?: string[] | undefined;
};
export type EvaluationDetail = {
  /** means */
  deciles: {
    rows: number;
    predicted: number;
    actual: number;
  }[];
  /** cumulative share of spend of the best customers, by the model and by what they spent */
  gain: {
    customers: number;
    model: number;
    perfect: number;
  }[];
  /** groups by probability to buy */
  reliability: {
    rows: number;
    predicted: number;
    observed: number;
  }[];
  /** shares of the randomised PIT in bins of equal width; flat where calibrated */
  pit: number[];
  distribution: {
    from: number;
    to: number;
    predicted: number;
    actual: number;
  }[];
  /** actual - predicted, groups by prediction */
  residuals: {
    predicted: number;
    p10: number;
    p25: number;
    p50: number;
    p75: number;
    p90: number;
    mean: number;
  }[];
  /** share of spend that the top customers by prediction hold */
  topCapture: {
    share: number;
    captured: number | null;
  }[];
  segments: {
    column: string;
    value: string;
    rows: number;
    actual: number;
    predicted: number;
    bias: number | null;
    normalizedGini: number | null;
    /** every figure on these customers */
    metrics?: Metrics | undefined;
    sd?:
      | {
          [key: string]: number | null;
        }
      | undefined;
  }[];
  total: {
    actual: number;
    predicted: number;
    low: number | null;
    high: number | null;
  };
  /** customers by prediction and actual spend, on equal bins of the logarithm; cells that hold one */
  predictedActual?:
    | {
        /** log10 of the lower edge of bin 0 */
        from: number;
        /** in decades */
        width: number;
        count: number;
        /** what bin -1 holds; null where it is empty */
        bands: {
          predicted: ("zero" | "negative" | "small") | null;
          actual: ("zero" | "negative" | "small") | null;
        };
        cells: {
          predicted: number;
          actual: number;
          rows: number;
        }[];
      }
    | undefined;
  /** what the forecaster says by repeat order days and weeks from first to last order; lower edges of cells */
  recencyFrequency?:
    | {
        frequencyStep: number;
        recencyStep: number;
        /** from here on customers share the top row; null where none do */
        frequencyCap: number | null;
        cells: {
          frequency: number;
          recency: number;
          rows: number;
          /** mean P(alive) */
          alive: number;
          /** mean expected spend in the horizon */
          spend: number;
        }[];
      }
    | undefined;
  /** the probabilistic model of the version behind recencyFrequency and tracking */
  forecaster?: string | undefined;
  /** repeat order days of the customers known at the test origin, by week since the first order day */
  tracking?:
    | {
        week: number;
        actual: number;
        expected: number;
        cumulativeActual: number;
        cumulativeExpected: number;
      }[]
    | undefined;
  /** first order day; week 1 is the seven days after it */
  trackingStart?: string | undefined;
};
export type EvaluationReport = {
  protocol: ProtocolReport;
  testCustomers: number;
  metrics: Metrics;
  sd?:
    | {
        [key: string]: number | null;
      }
    | undefined;
  baselines: {
    [key: string]: Metrics;
  };
  /** baseline to the reason why it cannot be computed here */
  skippedBaselines: {
    [key: string]: string;
  };
  lint: LintFinding[];
  warnings: Warning[];
  detail?: EvaluationDetail | undefined;
};
export type Run = {
  id: string;
  /** null where the dataset was deleted */
  datasetId: string | null;
  jobId: string;
  status: JobStatus;
  modelName: string;
  versionId: string | null;
  version: number | null;
  options: TrainingOptions;
  /** backend, device and threads that trained it */
  backend: string | null;
  bestEpoch: number | null;
  epochs: Epoch[];
  evaluation: EvaluationReport | null;
  createdAt: string;
};
export type Runs = {
  items: Run[];
};
export type StartLeaderboard = {
  /** transactions: predict the spend of this many days after the origin */
  horizonDays?: number | undefined;
  /** transactions: the last date whose horizon is fully observed when left out */
  testOrigin?: string | undefined;
  /** transactions: number of training origins */
  origins?: number | undefined;
  /** transactions: days between training origins */
  originStrideDays?: number | undefined;
  /** share of the remaining customers that steers early stopping */
  validationFraction?: number | undefined;
  /** protocol random: share of customers held out for the test */
  testFraction?: number | undefined;
  /** seed of every random draw: the same seed gives the same model */
  seed?: number | undefined;
  /** features: target column, `clv` when left out */
  target?: string | undefined;
  /** features: columns not to learn from */
  ignoreColumns?: string[] | undefined;
  /** what runs the training; auto takes the fastest that is present */
  backend?: Backend | undefined;
  /** native threads; chosen by the engine when left out */
  threads?: number | undefined;
  /** seeds of each trained model; their spread is reported */
  seeds?: number | undefined;
  /** which models to rank, all when left out; the baselines are always beside them */
  models?:
    | (
        | "bg-nbd"
        | "mbg-nbd"
        | "pareto-nbd"
        | "feedforward-ziln"
        | "trees-tweedie"
        | "transformer-ziln"
        | "anchored-trees"
        | "anchored-feedforward"
        | "anchored-feedforward-tweedie"
        | "anchored-lstm"
        | "anchored-gru"
        | "anchored-mean"
        | "ensemble-mean"
        | "ensemble-geometric-mean"
        | "feedforward-mse"
        | "feedforward-silu-mse"
        | "trees-mse"
        | "networks-and-trees"
      )[]
    | undefined;
  datasetId: string;
  /** the registry model that receives the winner as a new version; none when left out */
  modelName?: string | undefined;
};
export type LeaderboardOptions = {
  /** transactions: predict the spend of this many days after the origin */
  horizonDays: number;
  /** transactions: the last date whose horizon is fully observed when left out */
  testOrigin?: string | undefined;
  /** transactions: number of training origins */
  origins: number;
  /** transactions: days between training origins */
  originStrideDays: number;
  /** share of the remaining customers that steers early stopping */
  validationFraction: number;
  /** protocol random: share of customers held out for the test */
  testFraction: number;
  /** seed of every random draw: the same seed gives the same model */
  seed: number;
  /** features: target column, `clv` when left out */
  target?: string | undefined;
  /** features: columns not to learn from */
  ignoreColumns: string[];
  /** what runs the training; auto takes the fastest that is present */
  backend: Backend;
  /** native threads; chosen by the engine when left out */
  threads?: number | undefined;
  /** seeds of each trained model; their spread is reported */
  seeds: number;
  /** which models to rank, all when left out; the baselines are always beside them */
  models?:
    | (
        | "bg-nbd"
        | "mbg-nbd"
        | "pareto-nbd"
        | "feedforward-ziln"
        | "trees-tweedie"
        | "transformer-ziln"
        | "anchored-trees"
        | "anchored-feedforward"
        | "anchored-feedforward-tweedie"
        | "anchored-lstm"
        | "anchored-gru"
        | "anchored-mean"
        | "ensemble-mean"
        | "ensemble-geometric-mean"
        | "feedforward-mse"
        | "feedforward-silu-mse"
        | "trees-mse"
        | "networks-and-trees"
      )[]
    | undefined;
};
export type LeaderboardSummary = {
  id: string;
  /** null where the dataset was deleted */
  datasetId: string | null;
  jobId: string;
  status: JobStatus;
  modelName: string | null;
  /** the version that the winner became */
  versionId: string | null;
  version: number | null;
  options: LeaderboardOptions;
  createdAt: string;
  winner: string | null;
};
export type LeaderboardPage = {
  items: LeaderboardSummary[];
  next: string | null;
};
export type Family =
  "neural" | "probabilistic" | "trees" | "ensemble" | "baseline";
export type LeaderboardReport = {
  protocol: ProtocolReport;
  horizonDays: number | null;
  /** name of the row that the rule chose */
  winner: string;
  /** how it was chosen, with the figures that decided */
  rule: string;
  /** figures on the validation origin, which the rule saw */
  selection: {
    model: string;
    family: Family;
    metrics: Metrics;
  }[];
  rows: {
    model: string;
    family: Family;
    /** on the test rows */
    metrics: Metrics;
    sd: {
      [key: string]: number | null;
    };
    note?: string | undefined;
  }[];
  skipped: {
    model: string;
    reason: string;
  }[];
  /** what these data cannot support */
  claims: string[];
  lint: LintFinding[];
  warnings: Warning[];
  seconds: number;
};
export type Leaderboard = {
  id: string;
  /** null where the dataset was deleted */
  datasetId: string | null;
  jobId: string;
  status: JobStatus;
  modelName: string | null;
  /** the version that the winner became */
  versionId: string | null;
  version: number | null;
  options: LeaderboardOptions;
  report: LeaderboardReport | null;
  createdAt: string;
};
export type Model = {
  id: string;
  name: string;
  versions: number;
  latestVersion: number | null;
  /** alias to version number */
  aliases: {
    [key: string]: number;
  };
  createdAt: string;
};
export type ModelPage = {
  items: Model[];
  next: string | null;
};
export type ModelType =
  | "feedforward"
  | "lstm"
  | "gru"
  | "transformer"
  | "trees"
  | "bg-nbd"
  | "mbg-nbd"
  | "pareto-nbd"
  | "ensemble";
export type ModelVersionSummary = {
  id: string;
  model: string;
  version: number;
  runId: string | null;
  /** the leaderboard that it won; its report is there */
  leaderboardId: string | null;
  /** what made it; an imported one was trained elsewhere */
  source: "run" | "leaderboard" | "imported";
  aliases: string[];
  createdAt: string;
  type: ModelType;
  kind: DatasetKind;
  metrics: Metrics | null;
};
export type VersionPage = {
  items: ModelVersionSummary[];
  next: string | null;
};
export type ImportForm = {
  file: Blob[];
};
export type NumericFeature = {
  kind: "numeric";
  name: string;
  transform: "none" | "signed-log";
  median: number;
  mean: number;
  sd: number;
  missingIndicator: boolean;
};
export type CategoricalFeature = {
  kind: "categorical";
  name: string;
  categories: string[];
  embedding?: number | undefined;
};
export type FeatureSchema = {
  features: (NumericFeature | CategoricalFeature)[];
  /** encoded inputs */
  width: number;
};
export type FittedParameters = {
  parameters: {
    [key: string]: number;
  };
  /** null where the data do not determine them */
  standardErrors: {
    [key: string]: number | null;
  };
  /** parameters that ran to zero or to infinity: any more would do as well */
  atBorder: string[];
  /** covariance of the parameters' logarithms, in the order of parameters */
  logCovariance: number[][] | null;
};
export type ForecasterParameters = {
  /** nbd: nobody drops out, the limit of the others */
  model: "nbd" | "bg-nbd" | "mbg-nbd" | "pareto-nbd";
  /** what was asked for and why it could not be fitted */
  inPlaceOf: {
    model: "nbd" | "bg-nbd" | "mbg-nbd" | "pareto-nbd";
    reason: string;
  } | null;
  /** unit of time of the parameters */
  unitDays: number;
  purchase: FittedParameters;
  spend: FittedParameters;
  /** which order days tell a customer's spend */
  spendFrom: "order-days" | "repeat-days";
  logLikelihood: number;
  spendLogLikelihood: number;
  customers: number;
  repeaters: number;
  /** of the amounts, deducted from the forecast */
  refundShare: number;
};
export type ModelMember = {
  name: string;
  type:
    | "feedforward"
    | "lstm"
    | "gru"
    | "transformer"
    | "trees"
    | "bg-nbd"
    | "mbg-nbd"
    | "pareto-nbd";
  /** null: probabilistic */
  file:
    ("model.onnx" | "model-2.onnx" | "model-3.onnx" | "model-4.onnx") | null;
  /** columns of the snapshot, or of the features table; null: probabilistic */
  schema: FeatureSchema | null;
  /** place in forecasters of the model itself, or of what it multiplies */
  forecaster: number | null;
  /** its output multiplies the forecast */
  anchored: boolean;
  sequence: {
    length: number;
    channels: number;
  } | null;
  /** its predictions are multiplied by this: the level that it is held to */
  factor: number;
};
export type PredictiveDistribution = {
  /** largest prediction of each bin but the last, ascending */
  upper: number[];
  bins: {
    rows: number;
    /** mean prediction */
    predicted: number;
    /** share without spend */
    zero: number;
    /** quantiles of actual/predicted among those with spend, at equal steps from 0 to 1 */
    ratios: number[];
  }[];
};
export type Predictor = {
  /** fitted at the latest origin; nothing is refitted at serving time */
  forecasters: ForecasterParameters[];
  members: ModelMember[];
  /** the mean of the members */
  combine: "arithmetic" | "geometric";
  /** the mean is multiplied by factor; held: so that the total at the latest origin is the first forecaster's */
  level: {
    factor: number;
    held: boolean;
    reason: string;
  };
  /** gives p_buy, low and high; null: `interval` does */
  distribution: PredictiveDistribution | null;
  /** quantiles at equal steps from 0 to 1 of actual over predicted total, for what moves all customers alike: draws of the parameters, of the seeds and of the level; null where it is not known */
  totalFactors: number[] | null;
};
export type ModelManifest = {
  format: 1;
  type: ModelType;
  /** null where nothing is trained by a loss */
  head: Head | null;
  kind: DatasetKind;
  target: string;
  horizonDays: number | null;
  idColumn: string | null;
  schema: FeatureSchema;
  /** trained numbers in the network */
  parameters: number;
  /** low = max(0, prediction - below), high = prediction + above, from validation residuals */
  interval: {
    level: number;
    below: number;
    above: number;
  };
  /** left out where model.onnx alone predicts, from the features alone */
  predictor?: Predictor | undefined;
  options: TrainingOptions;
  training: {
    datasetId: string | null;
    /** of the rows of the dataset, in any order: equal for equal rows, whatever file brought them */
    fingerprint?: string | undefined;
    rows: number;
    /** mean target of the training rows: the forecast of the baseline "mean" */
    targetMean: number;
    /** training origins */
    asOf: string[];
    epochs: Epoch[];
    bestEpoch: number;
    seconds: number;
    backend: string;
    versions: {
      [key: string]: string;
    };
  };
  warnings: Warning[];
};
export type ArtifactName =
  | "model.onnx"
  | "model-2.onnx"
  | "model-3.onnx"
  | "model-4.onnx"
  | "model.json"
  | "checkpoint.safetensors"
  | "evaluation.json"
  | "report.html";
export type ModelVersion = {
  id: string;
  model: string;
  version: number;
  runId: string | null;
  /** the leaderboard that it won; its report is there */
  leaderboardId: string | null;
  /** what made it; an imported one was trained elsewhere */
  source: "run" | "leaderboard" | "imported";
  aliases: string[];
  manifest: ModelManifest;
  /** the one that it was made with; of an imported one the newest */
  evaluation: EvaluationReport | null;
  /** whether `champion` may move to it now, and why not */
  gates: GateResult[];
  artifacts: {
    name: ArtifactName;
    bytes: number;
    sha256: string;
  }[];
  createdAt: string;
};
export type VersionMetrics = {
  model: string;
  version: number;
  protocol: ProtocolReport;
  testCustomers: number;
  metrics: Metrics;
  baselines: {
    [key: string]: Metrics;
  };
  /** baseline to the reason why it cannot be computed here */
  skippedBaselines: {
    [key: string]: string;
  };
};
export type Artifact = {
  name: ArtifactName;
  bytes: number;
  sha256: string;
  /** path to download it from */
  href: string;
};
export type Artifacts = {
  items: Artifact[];
};
export type AliasMove = {
  id: string;
  alias: string;
  /** null: the alias was removed */
  version: number | null;
  /** null: it pointed nowhere */
  former: number | null;
  /** made against a failing gate */
  forced: boolean;
  /** of moves of `champion`, at their time */
  gates: GateResult[];
  movedBy: string;
  reason: string;
  createdAt: string;
};
export type AliasMovePage = {
  items: AliasMove[];
  next: string | null;
};
export type SetAlias = {
  version: number;
  /** move `champion` though a gate fails; the history of the alias keeps it */
  force?: boolean | undefined;
  /** why, for the history of the alias */
  reason?: string | undefined;
};
export type AliasPreview = {
  alias: string;
  /** where it points now; null: nowhere */
  from: ModelVersionSummary | null;
  to: ModelVersionSummary;
  /** false: it takes `force` */
  passed: boolean;
  /** of moves of `champion`; empty for other aliases and where nothing changes */
  gates: GateResult[];
};
export type RollBack = {
  /** why, for the history of the alias */
  reason?: string | undefined;
};
export type ModelImport = {
  id: string;
  jobId: string;
  status: JobStatus;
  modelName: string;
  files: {
    name:
      | "model.onnx"
      | "model-2.onnx"
      | "model-3.onnx"
      | "model-4.onnx"
      | "model.json";
    bytes: number;
  }[];
  versionId: string | null;
  /** number of the version, once there is one */
  version: number | null;
  createdAt: string;
};
export type StartPrediction = {
  datasetId: string;
  model?: string | undefined;
  /** transactions: the last day of the data when left out */
  asOf?: string | undefined;
  /** append the input columns to each row */
  includeInputs?: boolean | undefined;
};
export type PredictionSummary = {
  customers: number;
  total: number;
  mean: number;
  median: number;
  sd: number;
  min: number;
  max: number;
};
export type Prediction = {
  id: string;
  jobId: string;
  status: JobStatus;
  datasetId: string | null;
  versionId: string;
  model: string;
  version: number;
  asOf: string | null;
  includeInputs: boolean;
  rows: number | null;
  summary: PredictionSummary | null;
  warnings: Warning[];
  /** the erasure that wrote its files as they are now; null: they are as predicted */
  revision: string | null;
  createdAt: string;
};
export type PredictionPage = {
  items: Prediction[];
  next: string | null;
};
export type Tier = "platinum" | "gold" | "silver" | "bronze";
export type PredictionReport = {
  /** of predicted_clv; the last bin reaches to the maximum */
  histogram: HistogramBin[];
  /** ten groups of equal count by prediction, the best first; fewer where there are fewer customers */
  deciles: {
    customers: number;
    highest: number;
    lowest: number;
    mean: number;
    total: number;
  }[];
  /** the best first; a tier without customers is left out */
  tiers: {
    tier: Tier;
    customers: number;
    mean: number;
    total: number;
  }[];
  /** null where nothing says what the customers spent, or they are more than a million */
  actual: {
    /** a column of the data, or orders in the whole horizon after the as-of date */
    source: "target-column" | "later-orders";
    /** those whose spend is known */
    customers: number;
    metrics: Metrics;
    detail: EvaluationDetail;
  } | null;
};
export type ScoreResponse = {
  model: string;
  version: number;
  predictions: {
    customer_id: string;
    predicted_clv: number;
    p_buy: number | null;
    low: number;
    high: number;
  }[];
  warnings: Warning[];
};
export type ScoreRequest = {
  model?: string | undefined;
  rows: {
    [key: string]: string | number | boolean | null;
  }[];
};
export type StartEvaluation = {
  datasetId: string;
  model?: string | undefined;
  /** transactions: the last date whose horizon is fully observed when left out */
  testOrigin?: string | undefined;
};
export type Evaluation = {
  id: string;
  /** null where it belongs to a run */
  jobId: string | null;
  runId: string | null;
  status: JobStatus;
  versionId: string;
  datasetId: string | null;
  report: EvaluationReport | null;
  createdAt: string;
};
export type EvaluationPage = {
  items: Evaluation[];
  next: string | null;
};
export type StartErasure = {
  /** ids of the customers as they were in the files; those of datasets with hashed ids are found by them too */
  customers: string[];
};
export type ErasureResult = {
  /** customers of whom there were rows */
  found: number;
  /** datasets that were written anew without them */
  datasets: number;
  datasetRows: number;
  /** values in lists of rejected rows that named one of them */
  rejectedValues: number;
  /** datasets whose files as they were uploaded are gone, for they named one of them */
  uploads: number;
  /** predictions that were written anew without them */
  predictions: number;
  predictionRows: number;
  /** warnings, errors, log lines and kept answers that named one of them */
  texts: number;
  /** what could not be searched */
  warnings: Warning[];
};
export type Erasure = {
  id: string;
  jobId: string;
  status: JobStatus;
  /** how many were asked for */
  customers: number;
  result: ErasureResult;
  createdAt: string;
};
export type ErasurePage = {
  items: Erasure[];
  next: string | null;
};
export type JobPage = {
  items: Job[];
  next: string | null;
};
export type JobLogLine = {
  number: number;
  /** 0: before the first */
  attempt: number;
  at: string;
  message: string;
};
export type JobLog = {
  items: JobLogLine[];
};
export type User = {
  id: string;
  username: string;
  tenant: {
    id: string;
    name: string;
  };
  role: Role;
  /** set: the user cannot sign in and the keys of the user do not work */
  disabledAt: string | null;
  createdAt: string;
};
export type UserPage = {
  items: User[];
  next: string | null;
};
export type CreateUser = {
  username: string;
  password: string;
  role?: Role | undefined;
};
export type UpdateUser = {
  role?: Role | undefined;
  disabled?: boolean | undefined;
  password?: string | undefined;
};
export type AuditResource =
  | "tenant"
  | "user"
  | "api-key"
  | "session"
  | "dataset"
  | "run"
  | "leaderboard"
  | "model"
  | "prediction"
  | "evaluation"
  | "erasure"
  | "job";
export type AuditEntry = {
  id: string;
  /** name of the user, as it was */
  actor: string;
  via: "session" | "api-key";
  /** operationId of the request, such as setAlias */
  action: string;
  /** a model by name, name@number or name@alias, anything else by id */
  resource: {
    type: AuditResource;
    id: string;
  } | null;
  /** what was asked for, without secrets */
  details: {
    [key: string]: string | number | boolean;
  };
  requestId: string;
  createdAt: string;
};
export type AuditPage = {
  items: AuditEntry[];
  next: string | null;
};
export type Tenant = {
  id: string;
  name: string;
  createdAt: string;
};
export type TenantPage = {
  items: Tenant[];
  next: string | null;
};
export type CreateTenant = {
  name: string;
  admin: {
    username: string;
    password: string;
  };
};
export const {
  useGetHealthQuery,
  useGetReadinessQuery,
  useLoginMutation,
  useLogoutMutation,
  useGetMeQuery,
  useChangePasswordMutation,
  useSignOutEverywhereMutation,
  useCreateApiKeyMutation,
  useListApiKeysQuery,
  useRevokeApiKeyMutation,
  useUploadDatasetMutation,
  useListDatasetsQuery,
  useGenerateDatasetMutation,
  useGetDatasetQuery,
  useDeleteDatasetMutation,
  useGetDatasetProfileQuery,
  useGetDatasetRowsQuery,
  useGetRejectedRowsQuery,
  useGetDatasetDependentsQuery,
  useStartRunMutation,
  useListRunsQuery,
  useCompareRunsQuery,
  useGetRunQuery,
  useCancelRunMutation,
  useStartLeaderboardMutation,
  useListLeaderboardsQuery,
  useGetLeaderboardQuery,
  useListModelsQuery,
  useGetModelQuery,
  useListVersionsQuery,
  useImportVersionMutation,
  useGetVersionQuery,
  useGetVersionMetricsQuery,
  useListArtifactsQuery,
  useListAliasMovesQuery,
  useSetAliasMutation,
  useRemoveAliasMutation,
  usePreviewAliasQuery,
  useRollBackAliasMutation,
  useGetImportQuery,
  useStartPredictionMutation,
  useListPredictionsQuery,
  useGetPredictionQuery,
  useGetPredictionReportQuery,
  useGetPredictionRowsQuery,
  useScoreMutation,
  useStartEvaluationMutation,
  useListEvaluationsQuery,
  useGetEvaluationQuery,
  useStartErasureMutation,
  useListErasuresQuery,
  useGetErasureQuery,
  useListJobsQuery,
  useGetJobQuery,
  useGetJobLogQuery,
  useCancelJobMutation,
  useRetryJobMutation,
  useListUsersQuery,
  useCreateUserMutation,
  useGetUserQuery,
  useUpdateUserMutation,
  useEndUserSessionsMutation,
  useListAuditQuery,
  useListTenantsQuery,
  useCreateTenantMutation,
} = injectedRtkApi;
