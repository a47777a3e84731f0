import type { QuestionPayload } from '@clove/contracts';
import type { Logger } from './logger.js';
import type { QueueOptions } from './redis.js';
import type { WorkerHost } from './worker.js';

/** Answers questions that `producer.ask` sends: `answer` stores the reply before it resolves. */
export function startAnswering(
  _o: QueueOptions & { logger: Logger; concurrency: number; answer: (payload: QuestionPayload) => Promise<void> },
): WorkerHost {
  throw new Error('being written');
}
