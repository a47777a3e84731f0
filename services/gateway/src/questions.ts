import { CloveError, PROBLEMS, type ProblemCode, type Question, type Schema } from '@clove/contracts';
import type { FastifyRequest } from 'fastify';
import type { Gateway } from './gateway.js';

const ANSWER_LIMIT_MS = 30_000;

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code);

/**
 * Asks a scorer through the queue.
 * @throws CloveError what the scorer answers; 'unavailable' where none answers in time
 */
export async function ask<T>(
  { producer }: Gateway,
  request: FastifyRequest,
  question: Question,
  answer: Schema<T>,
): Promise<T> {
  const reply = await producer.ask({ question, requestId: request.id }, ANSWER_LIMIT_MS);
  if (reply.ok) return answer.parse(reply.value);
  const { code, message, pointer } = reply.error;
  if (!isProblemCode(code)) throw new Error(`a scorer answered with the unknown code ${code}`);
  throw new CloveError(code, message, pointer === undefined ? {} : { pointer });
}
