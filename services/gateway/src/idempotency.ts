import { createHash, createHmac } from 'node:crypto';
import { CloveError, type Json } from '@clove/contracts';
import type { FastifyRequest } from 'fastify';
import { pathOf } from './plugins/problems.js';
import { SESSION_COOKIE, userOf } from './plugins/authentication.js';

/** What a POST answers. */
export type Answer<T> = { status: 200 | 201 | 202; body: T; location?: string };

/** The part of fastify's reply that an answer needs; its own type changes with each route's schema. */
type Reply = { statusCode: number; header(name: string, value: string): unknown };

/** Hash of a request's meaning: its parsed body, in which the order of fields and the spacing no longer show. */
export const hashOf = (body: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(body ?? null))
    .digest('hex');

/**
 * The same for a body that nobody is to find out by trying: keyed by the credential of the request, of which only a hash is kept.
 * So a repetition is known as one where it comes with the same session or key.
 */
export const keyedHashOf = ({ headers, cookies }: FastifyRequest, body: unknown): string =>
  createHmac('sha256', headers.authorization ?? cookies[SESSION_COOKIE] ?? '')
    .update(JSON.stringify(body ?? null))
    .digest('hex');

/**
 * Carries out a POST at most once per `Idempotency-Key` of a user and path. The same key with the same body gets the
 * first answer again, with `Idempotency-Replayed: true`; with another body, or while the first is under way, it is a
 * conflict. A request that fails is forgotten, so that it can be sent again with the same key.
 * @param remember what is kept of the answer, where that is not the answer itself
 * @throws CloveError 'conflict', 'invalid-input', and what `work` throws
 */
export async function once<T>(
  request: FastifyRequest,
  reply: Reply,
  bodyHash: string,
  work: () => Promise<Answer<T>>,
  remember: (answer: Answer<T>) => unknown = ({ body, location }) => ({ body, location: location ?? null }),
): Promise<T> {
  const send = ({ status, body, location }: Answer<T>): T => {
    reply.statusCode = status;
    if (location !== undefined) reply.header('location', location);
    return body;
  };
  const key = request.headers['idempotency-key'];
  if (key === undefined) return send(await work());
  if (typeof key !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw new CloveError(
      'invalid-input',
      'the header Idempotency-Key must be 1 to 200 printable characters, no spaces',
    );
  }
  const ref = { key, userId: userOf(request).id, route: `${request.method} ${pathOf(request)}` };
  const claim = await request.registry.idempotency.claim({ ...ref, bodyHash });
  if (claim.outcome === 'conflict') {
    throw new CloveError(
      'conflict',
      'this Idempotency-Key was used for another request, or its first request is still under way: use a new key, or wait',
    );
  }
  if (claim.outcome === 'replay') {
    const { body, location } = claim.response as { body?: T; location: string | null };
    if (body === undefined) {
      throw new CloveError('conflict', 'this request was carried out before, and its answer is shown only once');
    }
    reply.header('idempotency-replayed', 'true');
    return send({ status: claim.status as 200 | 201 | 202, body, ...(location === null ? {} : { location }) });
  }
  let answer: Answer<T>;
  try {
    answer = await work();
  } catch (error) {
    await request.registry.idempotency.release(ref);
    throw error;
  }
  try {
    // by way of text: what JSON cannot say is not part of the answer either
    const kept = JSON.parse(JSON.stringify(remember(answer))) as Json;
    await request.registry.idempotency.settle(ref, answer.status, kept);
  } catch (error) {
    // it is done all the same; the key stays claimed, so that at least it is not done twice
    request.log.error({ err: error }, 'the answer of an idempotent request could not be kept');
  }
  return send(answer);
}
