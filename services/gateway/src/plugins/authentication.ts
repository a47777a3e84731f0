import { CloveError, type Me, type Role, mayAct } from '@clove/contracts';
import { DEFAULT_TENANT, type Registry } from '@clove/store';
import type { FastifyContextConfig, FastifyInstance, FastifyRequest } from 'fastify';
import { isLoopback, tokenHash, usesLocalPassword } from '../credentials.js';
import type { Installation } from '../gateway.js';
import { Throttle, refuseTooMany } from '../throttle.js';

declare module 'fastify' {
  interface FastifyRequest {
    /** Who asks; null before the check and on public routes. Read it through `userOf`. */
    user: Me | null;
    /** The registry as the tenant of the user sees it: the one way of routes to it. */
    readonly registry: Registry;
    /** Hash of the session's token; null without a session. */
    sessionHash: string | null;
  }
  interface FastifyContextConfig {
    /** True for a route that needs no credential. */
    public?: boolean;
    /** The least role that the route takes; left out: `viewer` to read, `analyst` to change something. */
    role?: Role;
    /** True for a route of the operator: it takes a user of the default tenant. */
    operator?: boolean;
    /** True for a route that changes nothing though its method says so. */
    readsOnly?: boolean;
  }
}

export const SESSION_COOKIE = 'clove_session';
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

type RouteAccess = { method: string | string[]; config: FastifyContextConfig };

/** Whether a route only reads, by which the scope of a key and the audit list go. */
export const readsOnly = ({ method, config }: RouteAccess): boolean =>
  config.readsOnly === true || [method].flat().every((one) => SAFE_METHODS.has(one));

/** The least role that a route takes; null: anybody, without a credential. The one rule of who may do what. */
export const roleOf = (route: RouteAccess): Role | null => {
  if (route.config.public === true) return null;
  return route.config.role ?? (readsOnly(route) ? 'viewer' : 'analyst');
};

/** The user of an authenticated request. */
export function userOf(request: FastifyRequest): Me {
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

const accessOf = (request: FastifyRequest): RouteAccess => ({
  method: request.method,
  config: request.routeOptions.config,
});

/** @throws CloveError 'forbidden' where the role of the user or the scope of the key is too small for the route */
function requireAccess(request: FastifyRequest, me: Me): void {
  const access = accessOf(request);
  const needed = roleOf(access);
  if (needed !== null && !mayAct(me.role, needed)) {
    throw new CloveError(
      'forbidden',
      `this takes the role ${needed}${needed === 'admin' ? '' : ' or admin'}; ${me.username} has the role ${me.role}: ask an administrator`,
    );
  }
  if (access.config.operator === true && me.tenant.id !== DEFAULT_TENANT) {
    throw new CloveError('forbidden', 'this is for administrators of the default tenant, who run the installation');
  }
  if (me.scope === 'read' && !readsOnly(access)) {
    throw new CloveError('forbidden', 'this API key may only read; use one with the scope write');
  }
}

/**
 * Holds every route of this scope to a session cookie or an API key of a user whose role may use it, before its body is
 * read, and counts what each user, or each address without a credential, asks. While admin/admin is in force the request must also be addressed to this machine by a loopback name: a page whose
 * domain was pointed at 127.0.0.1, or a proxy in front, does not get in.
 */
export function requireAuthentication(app: FastifyInstance, { env, registry }: Installation): void {
  app.decorateRequest('user', null);
  app.decorateRequest('sessionHash', null);
  app.decorateRequest('registry', {
    getter(this: FastifyRequest) {
      return registry.forTenant(userOf(this).tenant.id);
    },
  });
  const asked = new Throttle(env.RATE_LIMIT);
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
    const count = (who: string) =>
      refuseTooMany(reply, asked.note(who), `more than ${env.RATE_LIMIT} requests a minute`);
    if (roleOf(accessOf(request)) === null) {
      count(request.ip);
      return;
    }
    if (bearer !== undefined) {
      const found = await registry.apiKeys.find(tokenHash(bearer));
      if (found !== null) {
        const { user, key } = found;
        request.user = { ...user, via: 'api-key', scope: key.scope, expiresAt: key.expiresAt };
      }
    } else {
      const token = request.cookies[SESSION_COOKIE];
      if (token !== undefined) {
        request.sessionHash = tokenHash(token);
        const found = await registry.sessions.find(request.sessionHash);
        if (found !== null)
          request.user = { ...found.user, via: 'session', scope: 'write', expiresAt: found.expiresAt };
      }
    }
    count(request.user?.id ?? request.ip);
    if (request.user === null) throw unauthenticated();
    requireAccess(request, request.user);
  });
}
