import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import { CloveError, PROBLEMS, type Problem, type ProblemCode, type Schema } from '@clove/contracts';
import type { ConnectionError, FastifyInstance, FastifyReply, FastifyRequest, FastifySchemaCompiler } from 'fastify';
import type { z } from 'zod';

/** RFC 6901: `~` and `/` in a field's name are escaped. */
const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');

type Issue = z.core.$ZodIssue;

/** One entry per bad field; an unknown field is pointed at by its own name. */
function errorsOf(issues: readonly Issue[], at: readonly PropertyKey[]): { pointer: string; detail: string }[] {
  return issues.flatMap((issue) => {
    const path = [...at, ...issue.path];
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({
        pointer: pointerOf([...path, key]),
        detail: 'is not a field of this request: check its spelling',
      }));
    }
    return [{ pointer: pointerOf(path), detail: issue.message }];
  });
}

/**
 * Texts that no database and no file holds as they are: with a NUL, or with half of a surrogate pair. Looked for in what a
 * schema has let through, which is as deep as the schema is.
 */
function unstorableTexts(value: unknown, at: readonly PropertyKey[]): { pointer: string; detail: string }[] {
  if (typeof value === 'string') {
    // with the flag u, surrogates in pairs are letters
    if (!/[\0\p{Cs}]/u.test(value)) return [];
    return [{ pointer: pointerOf(at), detail: 'must not contain a NUL or half of a surrogate pair' }];
  }
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [
    ...unstorableTexts(key, at),
    ...unstorableTexts(item, [...at, key]),
  ]);
}

/**
 * Parses a value that came over the wire.
 * @param what the part of the request, for the message
 * @param at pointer of the value within the request
 * @throws CloveError 'invalid-input' with a JSON pointer for each bad field
 */
export function parseInput<T>(schema: Schema<T>, value: unknown, what: string, at: readonly PropertyKey[] = []): T {
  const result = schema.safeParse(value);
  const errors = result.success ? unstorableTexts(result.data, at) : errorsOf(result.error.issues, at);
  if (result.success && errors.length === 0) return result.data;
  const first = errors[0];
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more, see errors)` : '';
  const where = first === undefined || first.pointer === '' ? what : `${what}, ${first.pointer}`;
  throw new CloveError('invalid-input', `${where}: ${first?.detail ?? 'not valid'}${more}`, { errors });
}

const PARTS: Record<string, string> = {
  body: 'the request body',
  querystring: 'the query',
  params: 'the path',
  headers: 'the headers',
};

/** Validates with zod. A path that fits no resource is one that is not there. */
export const validatorCompiler: FastifySchemaCompiler<z.ZodType> =
  ({ schema, httpPart }) =>
  (data: unknown) => {
    try {
      return { value: parseInput(schema, data, PARTS[httpPart ?? 'body'] ?? 'the request') };
    } catch (error) {
      if (!(error instanceof CloveError)) throw error;
      if (httpPart !== 'params') return { error };
      return {
        error: new CloveError('not-found', `there is no such thing: ${error.message}`, { errors: [...error.errors] }),
      };
    }
  };

const BY_STATUS: Record<number, ProblemCode> = {
  400: 'bad-request',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not-found',
  405: 'method-not-allowed',
  406: 'unsupported-media-type',
  408: 'request-timeout',
  413: 'upload-too-large',
  415: 'unsupported-media-type',
  422: 'invalid-input',
  429: 'too-many-requests',
  503: 'unavailable',
};

/** What fastify and its plugins throw, in words of ours. Anything unknown is 'internal' and says nothing of itself. */
function toCloveError(error: unknown, request: FastifyRequest): CloveError {
  if (error instanceof CloveError) return error;
  const { code, statusCode } = (typeof error === 'object' && error !== null ? error : {}) as {
    code?: unknown;
    statusCode?: unknown;
  };
  const say = (problem: ProblemCode, message: string) => new CloveError(problem, message, { cause: error });
  switch (code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return say('upload-too-large', `the request body may hold at most ${request.routeOptions.bodyLimit} bytes`);
    case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
    case 'FST_INVALID_MULTIPART_CONTENT_TYPE':
      return say('unsupported-media-type', 'send application/json, or multipart/form-data where files are uploaded');
    case 'FST_ERR_CTP_EMPTY_JSON_BODY':
      return say('bad-request', 'the content type is application/json but the body is empty');
    case 'FST_ERR_CTP_INVALID_JSON_BODY':
      return say('bad-request', 'the request body is not valid JSON');
    case 'FST_INVALID_JSON_FIELD_ERROR':
      return say('bad-request', 'a field of the form says that it is JSON but is not, or is too long');
    case 'FST_ERR_HANDLER_TIMEOUT':
      return say('unavailable', 'the answer took too long; try again');
    case 'FST_FILES_LIMIT':
      return say('upload-too-large', 'there are too many files in one upload; send fewer');
    case 'FST_FIELDS_LIMIT':
    case 'FST_PARTS_LIMIT':
      return say('upload-too-large', 'there are too many fields in the form; send fewer');
    case 'FST_MP_PREMATURE_CLOSE':
      return say('bad-request', 'the connection ended before the upload did');
  }
  if (typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500) {
    const known = BY_STATUS[statusCode] ?? 'bad-request';
    // messages of client errors by fastify and its plugins name headers and limits, nothing of ours
    return say(known, error instanceof Error ? error.message : PROBLEMS[known].title);
  }
  return say('internal', 'this is a fault of the server, not of the request; its log has more under the request id');
}

/** When to come back where nothing says it better. */
const RETRY_SECONDS = 5;

/** The problem document of an error. `instance` is the path without its query, which may hold what a user typed. */
function problemOf(error: CloveError, request: FastifyRequest): Problem {
  const { status, title } = PROBLEMS[error.code];
  return {
    type: `urn:clove:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    instance: pathOf(request),
    code: error.code,
    requestId: request.id,
    ...(error.errors.length > 0 ? { errors: [...error.errors] } : {}),
    ...(error.gates.length > 0 ? { gates: [...error.gates] } : {}),
  };
}

/** Path of the request without its query. */
export const pathOf = (request: FastifyRequest): string => request.url.split('?', 1)[0] ?? '/';

/** Answers a request with the problem document of an error, and logs it: a fault of ours in full, a refusal in a line. */
export function answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = toCloveError(error, request);
  const problem = problemOf(known, request);
  if (problem.status >= 500 && known.code !== 'overloaded') request.log.error({ err: error }, 'the request failed');
  else request.log.info({ code: problem.code, detail: problem.detail }, 'the request was refused');
  if ((problem.status === 429 || problem.status === 503) && !reply.hasHeader('retry-after')) {
    reply.header('retry-after', String(RETRY_SECONDS));
  }
  if (problem.status === 401) reply.header('www-authenticate', 'Bearer realm="clove"');
  // a string: the answer to a failure must not be able to fail in a serialiser
  return reply.code(problem.status).header('content-type', 'application/problem+json').send(JSON.stringify(problem));
}

/** Every error leaves as `application/problem+json`. Install before the first route: routes take the handler of their time. */
export function installProblems(app: FastifyInstance): void {
  const routes: { parts: string[]; methods: string[] }[] = [];
  app.addHook('onRoute', ({ url, method }) => {
    routes.push({ parts: url.split('/'), methods: [method].flat() });
  });
  /** Methods that some route takes at a path. */
  const methodsAt = (path: string): string[] => {
    const given = path.split('/');
    const fits = ({ parts }: { parts: string[] }) =>
      parts.length === given.length &&
      parts.every((part, n) => (part.startsWith(':') ? given[n] !== '' : part === given[n]));
    return [...new Set(routes.filter(fits).flatMap(({ methods }) => methods))].toSorted();
  };

  app.setErrorHandler(answerProblem);
  app.setNotFoundHandler((request, reply) => {
    const path = pathOf(request);
    const allowed = methodsAt(path);
    // a part of the path that is too long for the router comes here with the right method
    if (allowed.length === 0 || allowed.includes(request.method)) {
      const what = `there is no ${request.method} ${path}; /docs lists what there is`;
      return answerProblem(new CloveError('not-found', what), request, reply);
    }
    const what = `${path} takes ${allowed.join(', ')}, not ${request.method}`;
    reply.header('allow', allowed.join(', '));
    return answerProblem(new CloveError('method-not-allowed', what), request, reply);
  });
}

/**
 * Answers what is not HTTP, or too slow or too long a head to be one, on the bare socket: there is no request yet.
 * Installed by the server's `clientErrorHandler`.
 */
export function answerClientError(error: ConnectionError, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const [line, detail] =
    error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
      ? ['408 Request Timeout', 'the request did not arrive in time']
      : error.code === 'HPE_HEADER_OVERFLOW'
        ? ['431 Request Header Fields Too Large', 'the headers are too long']
        : ['400 Bad Request', 'this is no HTTP request'];
  const code = line.startsWith('408') ? 'request-timeout' : 'bad-request';
  const body = JSON.stringify({
    type: `urn:clove:problem:${code}`,
    title: PROBLEMS[code].title,
    status: Number(line.slice(0, 3)),
    detail,
    code,
    requestId: randomUUID(),
  } satisfies Problem);
  socket.end(
    `HTTP/1.1 ${line}\r\ncontent-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n` +
      `connection: close\r\n\r\n${body}`,
  );
}
