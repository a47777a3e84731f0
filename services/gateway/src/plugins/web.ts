import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { usesLocalPassword } from '../credentials.js';
import type { Gateway } from '../gateway.js';

const BUILT = fileURLToPath(new URL('../../../web/dist/app', import.meta.url));

/**
 * Scripts only from here and never from text; connections only to here. Styles may stand inline: the app's style library
 * writes them as it runs.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "frame-ancestors 'none'",
  "base-uri 'self'",
  "form-action 'self'",
].join('; ');

const YEAR_SECONDS = 365 * 24 * 3600;

const NOT_BUILT = `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Clove</title></head>
<body>
<h1>Clove</h1>
<p>The web app is not built here: run <code>pnpm build</code>. <a href="/docs">API documentation</a>.</p>
</body>
</html>
`;

/**
 * The web app: its files, and its page for every address that is none of the API's, so that links into the app work.
 * Files bear the hash of their content in their names and are kept by browsers; the page is asked for anew each time.
 */
export async function installWeb(app: FastifyInstance, { env }: Gateway): Promise<void> {
  await app.register(fastifyStatic, { root: BUILT, serve: false, preCompressed: true });

  const page = (reply: FastifyReply): FastifyReply => {
    const file = path.join(BUILT, 'index.html');
    reply
      .header('content-type', 'text/html; charset=utf-8')
      .header('cache-control', 'no-cache')
      .header('content-security-policy', POLICY)
      .header('referrer-policy', 'same-origin');
    if (!existsSync(file)) return reply.code(503).send(NOT_BUILT);
    const html = readFileSync(file, 'utf8');
    // whoever reaches the page then sits at this machine: the sign-in page says how to get in
    return reply.send(
      usesLocalPassword(env)
        ? html.replace('<head>', '<head>\n    <meta name="clove-local-password" content="admin" />')
        : html,
    );
  };

  app.get('/assets/*', { schema: { hide: true } }, async (request, reply) =>
    reply.sendFile(`assets/${(request.params as { '*': string })['*']}`, {
      maxAge: YEAR_SECONDS * 1000,
      immutable: true,
    }),
  );
  app.get('/', { schema: { hide: true } }, async (_request, reply) => page(reply));
  app.get('/*', { schema: { hide: true } }, async (request, reply) => {
    const ofTheApp =
      !/^\/(?:v1|docs|assets)(?:\/|$)/.test(request.url) && /text\/html/.test(request.headers.accept ?? '');
    if (!ofTheApp) return reply.callNotFound();
    return page(reply);
  });
}
