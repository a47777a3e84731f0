import { CloveError, type User } from '@clove/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopback, tokenHash, usesLocalPassword } from '../credentials.js';
import type { Gateway } from '../gateway.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null before the check and on public routes. Read it through `userOf`. */
    user: User | null;
  }
  interface FastifyContextConfig {
    /** True for a route that needs no credential. */
    public?: boolean;
  }
}

export const SESSION_COOKIE = 'clove_session';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** The user of an authenticated request. */
export function userOf(request: FastifyRequest): User {
  if (request.user === null) throw unauthenticated();
  return request.user;
}

const unauthenticated = () =>
  new CloveError(
    'unauthenticated',
    'sign in with POST /v1/login, or send an API key as "Authorization: Bearer clv_…"; the credential sent is missing, wrong or expired',
  );

/**
 * A browser sends its cookies whoever wrote the page, so what changes something must come from our own pages. Browsers say
 * so in Sec-Fetch-Site, older ones in Origin; a program that sends neither is no browser.
 */
function refuseOtherSites(request: FastifyRequest): void {
  if (SAFE_METHODS.has(request.method)) return;
  const site = request.headers['sec-fetch-site'];
  const { origin } = request.headers;
  const same =
    site !== undefined
      ? site === 'same-origin' || site === 'none'
      : origin === undefined || (URL.canParse(origin) && new URL(origin).host === request.host);
  if (!same) {
    throw new CloveError(
      'forbidden',
      'the request comes from a page of another site; use an API key there, not a session',
    );
  }
}

/**
 * Holds every route of this scope to a session cookie or an API key, before its body is read. While admin/admin is in
 * force the request must also be addressed to this machine by a loopback name: a page whose domain was pointed at
 * 127.0.0.1, or a proxy in front, does not get in.
 */
export function requireAuthentication(app: FastifyInstance, { env, registry }: Gateway): void {
  app.decorateRequest('user', null);
  app.addHook('onRequest', async (request, reply) => {
    reply.header('cache-control', 'no-store');
    if (usesLocalPassword(env) && !isLoopback(request.hostname)) {
      throw new CloveError(
        'forbidden',
        'while the administrator has the password "admin", requests must go to localhost: set CLOVE_ADMIN_PASSWORD first',
      );
    }
    const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (bearer === undefined) refuseOtherSites(request);
    if (request.routeOptions.config.public === true) return;
    if (bearer !== undefined) {
      request.user = await registry.apiKeys.find(tokenHash(bearer));
    } else {
      const token = request.cookies[SESSION_COOKIE];
      if (token !== undefined) request.user = await registry.sessions.find(tokenHash(token));
    }
    if (request.user === null) throw unauthenticated();
  });
}
