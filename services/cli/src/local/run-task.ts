import { runInThread } from '@clove/runtime';
import type { TaskMessage, Tasks } from './tasks.js';

/**
 * Does one piece of work in a thread of its own.
 * @throws CloveError as the work threw it; 'cancelled' once `signal` is aborted
 */
export const runTask = <K extends keyof Tasks>(
  task: K,
  input: Parameters<Tasks[K]>[0],
  o: { signal: AbortSignal; onMessage: (message: TaskMessage) => void },
): Promise<Awaited<ReturnType<Tasks[K]>>> =>
  runInThread<{ task: K; input: typeof input }, TaskMessage, Awaited<ReturnType<Tasks[K]>>>(
    new URL('../local-thread.js', import.meta.url),
    { task, input },
    o,
  );
