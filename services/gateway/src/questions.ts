import { randomUUID } from 'node:crypto';
import { CloveError, PROBLEMS, type ProblemCode, type Question, Reply, type Schema } from '@clove/contracts';
import { artifactKeys } from '@clove/store';
import type { FastifyRequest } from 'fastify';
import type { Gateway } from './gateway.js';

const ANSWER_LIMIT_MS = 30_000;
const LATE_ANSWER_MS = 60_000;

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code);

/**
 * Asks a scorer: the question goes to the artifact store, word of it through the queue, and the answer comes back the
 * same way. Neither outlives the call.
 * @throws CloveError what the scorer answers; 'unavailable' where none answers in time
 */
export async function ask<T>(
  gateway: Gateway,
  request: FastifyRequest,
  question: Question,
  answer: Schema<T>,
): Promise<T> {
  const { artifacts, producer } = gateway;
  const key = artifactKeys.question(randomUUID());
  const forget = () => Promise.all([artifacts.remove(key), artifacts.remove(`${key}.reply`)]);
  let late = false;
  try {
    await artifacts.put(key, JSON.stringify(question));
    try {
      await producer.ask({ key, requestId: request.id }, ANSWER_LIMIT_MS);
    } catch (error) {
      late = true;
      throw error;
    }
    const reply = Reply.parse(await artifacts.readJson(`${key}.reply`));
    if (!reply.ok) {
      const { code, message, pointer } = reply.error;
      if (!isProblemCode(code)) throw new Error(`a scorer answered with the unknown code ${code}`);
      throw new CloveError(code, message, pointer === undefined ? {} : { pointer });
    }
    return answer.parse(reply.value);
  } finally {
    await forget();
    // a scorer that was at it when we gave up writes its answer after we have cleaned up
    if (late) {
      setTimeout(() => {
        forget().catch((error: unknown) => gateway.logger.warn({ err: error }, 'a late answer could not be removed'));
      }, LATE_ANSWER_MS).unref();
    }
  }
}
