import { setTimeout as sleep } from 'node:timers/promises';
import { type Job, isTerminal } from '@clove/contracts';
import type { Registry } from '@clove/store';

const POLL_MS = 250;
const HEARTBEAT_MS = 15_000;

/**
 * Where a reader of the stream stands: the last revision of the job and the last line of its log that it has seen and, for a
 * training, the last epoch of which attempt. It travels as the event id, so that a reader that comes back goes on where it was.
 */
export type Position = { revision: number; attempt: number; epoch: number; line: number };

const START: Position = { revision: 0, attempt: 0, epoch: 0, line: 0 };

/** Reads a Last-Event-ID; anything that is not one of ours means: from the start. */
export function positionOf(lastEventId: string | undefined): Position {
  const match = /^(\d{1,9})\.(\d{1,9})\.(\d{1,9})\.(\d{1,9})$/.exec(lastEventId ?? '');
  if (match === null) return START;
  const [, revision, attempt, epoch, line] = match;
  return { revision: Number(revision), attempt: Number(attempt), epoch: Number(epoch), line: Number(line) };
}

const event = (name: string, { revision, attempt, epoch, line }: Position, data: unknown): string =>
  `id: ${revision}.${attempt}.${epoch}.${line}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** True where a reader at this position has been told everything, so that there is nothing to come back for. */
export const isDone = (job: Job, position: Position): boolean =>
  isTerminal(job.status) && position.revision >= job.revision;

/**
 * The story of a job as server-sent events: `job` with the whole job at each new revision, `log` with each new line of its
 * log, and for a training `epoch` with each new epoch, always before the `job` event that may end the stream. What it says is what polling says: it polls
 * Postgres. Ends after a terminal state, or when `signal` is aborted. An attempt that starts again tells its epochs again.
 */
export async function* jobEvents(
  registry: Registry,
  jobId: string,
  from: Position,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  let position = from;
  let quietSinceMs = performance.now();
  yield 'retry: 1000\n\n';
  while (!signal.aborted) {
    const job = await registry.jobs.get(jobId);
    if (job.revision > position.revision) {
      quietSinceMs = performance.now();
      const attempt = job.attempts.length;
      if (attempt !== position.attempt) position = { ...position, attempt, epoch: 0 };
      if (job.resource.type === 'run') {
        const { epochs } = await registry.runs.get(job.resource.id);
        for (const figures of epochs) {
          if (figures.epoch <= position.epoch) continue;
          position = { ...position, epoch: figures.epoch };
          yield event('epoch', position, figures);
        }
      }
      for (const told of await registry.jobs.log(jobId, position.line)) {
        position = { ...position, line: told.number };
        yield event('log', position, told);
      }
      position = { ...position, revision: job.revision };
      yield event('job', position, job);
    } else if (performance.now() - quietSinceMs >= HEARTBEAT_MS) {
      quietSinceMs = performance.now();
      yield ': still here\n\n';
    }
    if (isTerminal(job.status)) return;
    await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
  }
}
