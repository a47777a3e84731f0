import type { AuditEntry, AuditResource } from '@clove/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { readsOnly } from './authentication.js';

/** First segment of a path under /v1, and what it names. */
const RESOURCES: Record<string, AuditResource> = {
  tenants: 'tenant',
  users: 'user',
  'api-keys': 'api-key',
  login: 'session',
  logout: 'session',
  me: 'user',
  datasets: 'dataset',
  runs: 'run',
  leaderboards: 'leaderboard',
  models: 'model',
  predictions: 'prediction',
  evaluations: 'evaluation',
  erasures: 'erasure',
  jobs: 'job',
};

/** Fields of requests that are kept: what was asked for, never a secret and never rows of customers. */
const KEPT = [
  'name',
  'username',
  'role',
  'disabled',
  'scope',
  'expiresAt',
  'datasetId',
  'model',
  'modelName',
  'version',
  'force',
  'reason',
  'generator',
  'customers',
  'asOf',
  'testOrigin',
] as const;

type Fields = Record<string, unknown>;
const fieldsOf = (value: unknown): Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {};
const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

/** What an entry is about: the thing that the path names, else the one that the answer says was made. */
function resourceOf(request: FastifyRequest, answer: Fields): AuditEntry['resource'] {
  const type = RESOURCES[request.url.split(/[/?]/, 3)[2] ?? ''];
  if (type === undefined) return null;
  const { id, name, version, alias } = fieldsOf(request.params);
  if (typeof name === 'string') {
    const part = alias ?? version;
    return { type, id: part === undefined ? name : `${name}@${String(part)}` };
  }
  return { type, id: textOf(id) ?? textOf(answer['id']) ?? request.user?.id ?? '' };
}

function detailsOf(request: FastifyRequest, answer: Fields): AuditEntry['details'] {
  const body = fieldsOf(request.body);
  const details: AuditEntry['details'] = {};
  for (const field of KEPT) {
    const value = body[field];
    if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') details[field] = value;
  }
  if (typeof body['password'] === 'string') details['password'] = 'changed';
  // how many were to be erased, never who
  if (Array.isArray(body['customers'])) details['customers'] = body['customers'].length;
  const jobId = textOf(fieldsOf(answer['job'])['id']);
  return jobId === undefined ? details : { ...details, jobId };
}

const parsed = (payload: unknown): Fields => {
  if (typeof payload !== 'string' || !payload.startsWith('{')) return {};
  return fieldsOf(JSON.parse(payload));
};

/**
 * Notes every change that was carried out, before its answer leaves: who, by which credential, what, on which resource. The
 * one place where that is done. A repeated answer to an `Idempotency-Key` changed nothing and is not noted again. Where the
 * entry cannot be written the change stands, and the log has the error.
 */
export function installAudit(app: FastifyInstance): void {
  app.addHook('onSend', async (request, reply, payload) => {
    const { config, schema } = request.routeOptions;
    if (reply.statusCode >= 400 || request.user === null || readsOnly({ method: request.method, config })) return;
    if (reply.getHeader('idempotency-replayed') === 'true') return;
    const answer = parsed(payload);
    try {
      await request.registry.audit.add({
        actor: request.user.username,
        via: request.user.via,
        action: textOf(fieldsOf(schema)['operationId']) ?? request.method,
        resource: resourceOf(request, answer),
        details: detailsOf(request, answer),
        requestId: request.id,
      });
    } catch (error) {
      request.log.error({ err: error, user: request.user.username }, 'a change could not be noted in the audit list');
    }
  });
}
