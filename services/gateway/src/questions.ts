import {
  CloveError,
  type Dataset,
  PROBLEMS,
  type Prediction,
  type ProblemCode,
  type Question,
  type Schema,
} from '@clove/contracts';
import type { Registry } from '@clove/store';
import type { FastifyRequest } from 'fastify';
import type { Gateway } from './gateway.js';

const ANSWER_LIMIT_MS = 30_000;

/** A question about what the registry of the user's tenant has found: a scorer answers for whatever it is asked. */
type Asked =
  | {
      type: 'score';
      version: Awaited<ReturnType<Registry['models']['resolve']>>;
      request: Extract<Question, { type: 'score' }>['request'];
    }
  | ({ type: 'rows'; query: Extract<Question, { type: 'rows' }>['query'] } & (
      | { of: 'dataset' | 'rejected'; found: Dataset }
      | { of: 'prediction'; found: Prediction }
    ));

const questionOf = (asked: Asked): Question =>
  asked.type === 'score'
    ? { type: 'score', versionId: asked.version.id, request: asked.request }
    : {
        type: 'rows',
        source: { type: asked.of, id: asked.found.id, revision: asked.found.revision },
        query: asked.query,
      };

const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code);

/**
 * Asks a scorer through the queue.
 * @throws CloveError what the scorer answers; 'unavailable' where none answers in time
 */
export async function ask<T>(
  { producer }: Gateway,
  request: FastifyRequest,
  asked: Asked,
  answer: Schema<T>,
): Promise<T> {
  const reply = await producer.ask({ question: questionOf(asked), requestId: request.id }, ANSWER_LIMIT_MS);
  if (reply.ok) return answer.parse(reply.value);
  const { code, message, pointer } = reply.error;
  if (!isProblemCode(code)) throw new Error(`a scorer answered with the unknown code ${code}`);
  throw new CloveError(code, message, pointer === undefined ? {} : { pointer });
}
