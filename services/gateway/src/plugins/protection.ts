import helmet from '@fastify/helmet';
import { CloveError } from '@clove/contracts';
import type { FastifyInstance } from 'fastify';
import type { Gateway } from '../gateway.js';
import { bringsFiles } from '../uploads.js';

/**
 * What every answer says to a browser, and how long a request may dawdle. Answers are data: nothing of them is to be run,
 * framed or read by pages of other sites; the few pages that there are say themselves what they need on top. No answer bears a
 * CORS header, so other sites read nothing.
 */
export async function installProtection(app: FastifyInstance, { env }: Gateway): Promise<void> {
  await app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: { defaultSrc: ["'none'"], frameAncestors: ["'none'"], baseUri: ["'none'"], formAction: ["'none'"] },
    },
    // over plain http it says nothing
    strictTransportSecurity: env.COOKIE_SECURE,
    referrerPolicy: { policy: 'same-origin' },
  });

  // Files take as long as they take, and end when no byte comes for two minutes.
  app.addHook('preParsing', async (request, reply, body) => {
    if (bringsFiles(request)) return body;
    const timer = setTimeout(() => {
      // nobody reads a body that the route has no use for
      if (body.listenerCount('error') === 0) return;
      reply.header('connection', 'close');
      body.emit(
        'error',
        new CloveError('request-timeout', `the request body must arrive within ${env.BODY_SECONDS} s`),
      );
    }, env.BODY_SECONDS * 1000);
    const stop = () => clearTimeout(timer);
    body.once('end', stop).once('close', stop);
    return body;
  });
}
