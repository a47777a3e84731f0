import { type Job, JobKind, JobStatus } from '@clove/contracts';
import { type Context, number, text } from '../context.js';
import { checked } from '../flags/requests.js';
import { connect } from '../remote/connect.js';
import { watchJob } from '../remote/flows.js';
import { duration, percent } from '../screen/format.js';
import { printTable } from '../screen/views.js';

const seconds = (job: Job): string =>
  job.startedAt === null
    ? ''
    : duration(
        ((job.finishedAt === null ? Date.now() : Date.parse(job.finishedAt)) - Date.parse(job.startedAt)) / 1000,
      );

const printJob = (ctx: Context, job: Job) => {
  ctx.screen.print(
    `${job.id}  ${job.kind}  ${job.status}${job.status === 'running' ? ` ${percent(job.progress)}: ${job.stage}` : ''}`,
    `  makes     ${job.resource.type} ${job.resource.id}`,
    `  created   ${job.createdAt}`,
    `  took      ${seconds(job) || '–'}`,
    ...job.attempts.map(
      (attempt) =>
        `  attempt ${attempt.number} ${attempt.status} on ${attempt.worker}${attempt.error ? `: ${attempt.error.message}` : ''}`,
    ),
  );
  if (job.error) ctx.screen.print(`  error     ${job.error.code}: ${job.error.message}`);
  ctx.screen.result(job);
};

/** `clove jobs list`. */
export const list = async (ctx: Context): Promise<void> => {
  const status = text(ctx, 'status');
  const kind = text(ctx, 'kind');
  const page = await connect(ctx).jobs({
    ...(status === undefined ? {} : { status: checked(JobStatus, status, []) }),
    ...(kind === undefined ? {} : { kind: checked(JobKind, kind, []) }),
    limit: number(ctx, 'limit') ?? 20,
  });
  if (page.items.length === 0) ctx.screen.print('No jobs.');
  else
    printTable(
      ctx.screen,
      [
        { title: 'job' },
        { title: 'kind' },
        { title: 'status' },
        { title: 'done', align: 'right' },
        { title: 'took', align: 'right' },
        { title: 'stage' },
      ],
      page.items.map((job) => [
        job.id,
        job.kind,
        job.status,
        percent(job.progress),
        seconds(job),
        (job.error?.message ?? job.stage).slice(0, 60),
      ]),
    );
  ctx.screen.result(page);
};

/** `clove jobs show ID`. */
export const show = async (ctx: Context, id: string): Promise<void> => printJob(ctx, await connect(ctx).job(id));

/** `clove jobs log ID`: what was going on in it. */
export const log = async (ctx: Context, id: string): Promise<void> => {
  const lines = await connect(ctx).jobLog(id);
  ctx.screen.print(...lines.items.map(({ at, message }) => `${at.slice(0, 19).replace('T', ' ')}  ${message}`));
  ctx.screen.result(lines);
};

/** `clove jobs watch ID`: follows it to its end; the exit code is that of its outcome. */
export const watch = async (ctx: Context, id: string): Promise<void> => {
  const client = connect(ctx);
  const job = await watchJob(ctx, client, await client.job(id));
  ctx.screen.result(job);
};

/** `clove jobs cancel ID`. */
export const cancel = async (ctx: Context, id: string): Promise<void> => {
  const job = await connect(ctx).cancelJob(id);
  ctx.screen.print(
    job.status === 'cancelled' ? `Job ${id} is cancelled.` : `Job ${id} was asked to stop; it ends at its next step.`,
  );
  ctx.screen.result(job);
};

/** `clove jobs retry ID`. */
export const retry = async (ctx: Context, id: string): Promise<void> => {
  const job = await connect(ctx).retryJob(id);
  ctx.screen.print(`Job ${id} is queued again: clove jobs watch ${id}`);
  ctx.screen.result(job);
};
