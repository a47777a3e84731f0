import { z } from 'zod';
import { Backend } from './run.js';

const bytes = z.coerce.number().int().positive();
const flag = z.stringbool();
const days = z.coerce.number().positive().optional();

const common = {
  NODE_ENV: z.string().default('production'),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
};

/** What every service needs: where Postgres, Redis and the artifact store are. */
export const ServiceEnv = z.object({
  ...common,
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).describe('postgresql://user:password@host:port/database'),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }).describe('redis://:password@host:port'),
  ARTIFACTS_DIR: z
    .string()
    .min(1)
    .describe('the artifact store that all services share: a folder, or s3://bucket/prefix'),
});
export type ServiceEnv = z.infer<typeof ServiceEnv>;

export const GatewayEnv = ServiceEnv.extend({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(3000),
  CLOVE_ADMIN_USERNAME: z.string().min(1).default('admin'),
  CLOVE_ADMIN_PASSWORD: z
    .string()
    .min(1)
    .optional()
    .describe('must be set unless HOST is a loopback address; admin until then'),
  CLOVE_API_KEY: z
    .string()
    .min(24)
    .optional()
    .describe('an API key of the administrator that the gateway makes sure exists'),
  UPLOAD_LIMIT_BYTES: bytes.default(20 * 1024 ** 3).describe('bytes of the files of one upload together'),
  UPLOADS_AT_ONCE: z.coerce.number().int().min(1).default(16).describe('uploads of one user under way at once'),
  UPLOADS_IN_ALL: z.coerce.number().int().min(1).default(64).describe('uploads of all users under way at once'),
  UPLOAD_DAILY_BYTES: bytes.optional().describe('bytes that one user may upload in a day; no limit when left out'),
  RATE_LIMIT: z.coerce
    .number()
    .int()
    .min(1)
    .default(30_000)
    .describe('requests of one user, or of one address without a credential, in a minute'),
  REQUESTS_AT_ONCE: z.coerce
    .number()
    .int()
    .min(1)
    .default(500)
    .describe('requests under way at once, uploads apart; one counts once more for each 64 KiB of its body'),
  STREAMS_AT_ONCE: z.coerce.number().int().min(1).default(200).describe('event streams and downloads at once'),
  QUEUED_JOBS: z.coerce
    .number()
    .int()
    .min(1)
    .default(10_000)
    .describe('jobs of one tenant that may wait; more are refused until some have begun'),
  BODY_SECONDS: z.coerce
    .number()
    .positive()
    .max(3600)
    .default(30)
    .describe('time that a request body has to arrive, uploads apart'),
  RETENTION_UPLOAD_DAYS: days.describe('uploaded files are removed so long after; never when left out'),
  RETENTION_DATASET_DAYS: days.describe('datasets, with their uploads, are removed so long after; never when left out'),
  RETENTION_PREDICTION_DAYS: days.describe('predictions are removed so long after; never when left out'),
  TRUST_PROXY: z
    .string()
    .min(1)
    .optional()
    .describe('addresses or networks of proxies in front, by comma: they say whose requests they pass on'),
  SESSION_HOURS: z.coerce.number().positive().default(12),
  COOKIE_SECURE: flag.default(false).describe('true where browsers reach the gateway by https'),
});
export type GatewayEnv = z.infer<typeof GatewayEnv>;

export const WorkerEnv = ServiceEnv.extend({
  CONCURRENCY: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(1)
    .describe('long jobs at once in this process, and as many short ones beside them'),
  SCRATCH_DIR: z
    .string()
    .optional()
    .describe('folder for files in the making; the system temporary folder when left out'),
  MEMORY_LIMIT_BYTES: bytes.default(2 * 1024 ** 3).describe('what DuckDB may use before it spills to disk'),
  THREADS: z.coerce
    .number()
    .int()
    .min(1)
    .max(256)
    .optional()
    .describe('native threads a job may use; all cores when left out'),
  SHARD_ROWS: z.coerce
    .number()
    .int()
    .min(1)
    .default(1_000_000)
    .describe('a prediction of more rows than this is shared among all scorers, in shards of so many rows at most'),
  HEALTH_PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .optional()
    .describe('where /healthz and /readyz are served for an orchestrator; nowhere when left out'),
  CUSTOMER_ID_SECRET: z
    .string()
    .min(16)
    .optional()
    .describe('key of the installation that customer ids are hashed by; it must never change'),
  JOB_LOCK_MS: z.coerce
    .number()
    .int()
    .min(1000)
    .default(20_000)
    .describe('how long a job stays with a worker that gives no sign of life; longer than any pause of its process'),
  TRAINER_BACKEND: Backend.default('auto').describe('what runs a training that asks for auto'),
});
export type WorkerEnv = z.infer<typeof WorkerEnv>;
