import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, RouteOptions } from 'fastify';
import { jsonSchemaTransform, jsonSchemaTransformObject } from 'fastify-type-provider-zod';
import type { FormName, bodies } from '../schemas.js';
import { SESSION_COOKIE, roleOf } from './authentication.js';

/** Component names of a form with files and, where the route takes one in its place, of a JSON body. */
type Form = { name: FormName; json?: keyof typeof bodies };

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Set on a route that takes files. */
    form?: Form;
  }
}

type Tree = { [key: string]: unknown };
const SCHEMAS = '#/components/schemas/';
const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value);

/** The same document with every `$ref` passed through `rename`. */
function mapRefs(value: unknown, rename: (name: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => mapRefs(item, rename));
  if (!isTree(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, child]) =>
      key === '$ref' && typeof child === 'string' && child.startsWith(SCHEMAS)
        ? [key, SCHEMAS + rename(child.slice(SCHEMAS.length))]
        : [key, mapRefs(child, rename)],
    ),
  );
}

const plain = (name: string) => name.replace(/Input$/, '');

function refsOf(value: unknown): Set<string> {
  const names = new Set<string>();
  mapRefs(value, (name) => {
    names.add(name);
    return name;
  });
  return names;
}

/**
 * The generator writes each schema twice, as it is read (`XInput`) and as it is written (`X`). Keeps those that some route
 * uses, and drops the ending where only one of the two is left, or both say the same.
 */
function tidySchemas(document: Tree): Tree {
  const components = isTree(document.components) ? document.components : {};
  const all = isTree(components.schemas) ? components.schemas : {};
  const used = new Set<string>();
  const visit = (names: Iterable<string>) => {
    for (const name of names) {
      if (used.has(name)) continue;
      used.add(name);
      visit(refsOf(all[name]));
    }
  };
  visit(refsOf(document.paths));

  const text = (name: string) => JSON.stringify(mapRefs(all[name], plain));
  const rename = (name: string) => {
    const short = plain(name);
    return !used.has(short) || text(short) === text(name) ? short : name;
  };
  const schemas: Tree = {};
  for (const name of [...used].toSorted()) schemas[rename(name)] = mapRefs(all[name], rename);
  return { ...(mapRefs(document, rename) as Tree), components: { ...components, schemas } };
}

const inputRef = (name: string) => ({ $ref: `${SCHEMAS}${name}Input` });

/** Request body of a route that takes files: such a body is parsed by hand, so it is described by hand too. */
const formBody = ({ name, json }: Form): Tree => ({
  content: {
    ...(json === undefined ? {} : { 'application/json': { schema: inputRef(json) } }),
    'multipart/form-data': { schema: inputRef(name) },
  },
});

/** Sections of the page, in the order in which a user comes to them. */
const TAGS = [
  'datasets',
  'runs',
  'models',
  'leaderboards',
  'predictions',
  'evaluations',
  'erasures',
  'jobs',
  'session',
  'api keys',
  'users',
  'tenants',
  'audit',
  'system',
];

const IDEMPOTENCY_HEADER = {
  type: 'object',
  properties: {
    'Idempotency-Key': {
      type: 'string',
      maxLength: 200,
      description: 'The same key with the same request gets the first answer again, and nothing is done twice',
    },
  },
};

/** Answers of a route, those that ask for patience with the header that says how much. */
const withRetryAfter = (answers: Tree): Tree =>
  Object.fromEntries(
    Object.entries(answers).map(([status, answer]) => [
      status,
      (status === '429' || status === '503') && isTree(answer) ? { ...answer, headers: RETRY_AFTER } : answer,
    ]),
  );
const RETRY_AFTER = { 'Retry-After': { type: 'integer', description: 'Seconds to wait before trying again' } };

/** `/openapi.json` and the page `/docs`, generated from the schemas of the routes. Install before the first route. */
export async function installDocumentation(app: FastifyInstance): Promise<void> {
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Clove',
        version: '1',
        description:
          'Predicts what each customer will spend in the next N days. Long work is answered with 202 and a job to watch. ' +
          'Errors are problem details (RFC 9457) with a JSON pointer for each bad field. Lists page by `cursor`: give the ' +
          '`next` of the page before. POST takes an `Idempotency-Key`. Requests may bring an `X-Request-Id`, which the ' +
          'answer, the jobs and the logs of the workers repeat. `x-role` of an operation is the least role that it takes; one with ' +
          '`x-operator` takes a user of the default tenant.',
      },
      tags: TAGS.map((name) => ({ name })),
      components: {
        securitySchemes: {
          apiKey: { type: 'http', scheme: 'bearer', description: 'An API key' },
          session: { type: 'apiKey', in: 'cookie', name: SESSION_COOKIE, description: 'The cookie of POST /v1/login' },
        },
      },
      security: [{ apiKey: [] }, { session: [] }],
    },
    transform: (input) => {
      const { url, schema } = jsonSchemaTransform(input);
      const { method, config } = input.route as RouteOptions;
      const role = url.startsWith('/v1/') ? roleOf({ method, config: config ?? {} }) : null;
      return {
        url,
        schema: {
          ...schema,
          ...(isTree(schema.response) ? { response: withRetryAfter(schema.response) } : {}),
          ...(role === null ? {} : { 'x-role': role }),
          ...(config?.operator === true ? { 'x-operator': true } : {}),
          ...(config?.form === undefined ? {} : { body: formBody(config.form) }),
          ...(method === 'POST' && config?.public !== true ? { headers: IDEMPOTENCY_HEADER } : {}),
        },
      };
    },
    transformObject: (input) =>
      tidySchemas(jsonSchemaTransformObject(input) as Tree) as ReturnType<typeof jsonSchemaTransformObject>,
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    // The bar at the top asks for the address of another document, under another project's logo.
    theme: { title: 'Clove API', css: [{ filename: 'clove.css', content: '.swagger-ui .topbar { display: none }' }] },
  });
  app.get('/openapi.json', { schema: { hide: true } }, async (_request, reply) =>
    reply.header('content-type', 'application/json; charset=utf-8').send(documentText(app)),
  );
}

/** The document as text, byte for byte the committed `openapi.json`. Call it when the app is ready. */
export const documentText = (app: FastifyInstance): string => `${JSON.stringify(app.swagger(), null, 2)}\n`;
