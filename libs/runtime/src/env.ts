import { readFileSync } from 'node:fs';
import { CloveError, type Schema } from '@clove/contracts';

/**
 * Reads the environment through a schema. `NAME_FILE` may name a file that holds the value of `NAME` (secrets mounted
 * by an orchestrator); an empty variable counts as unset.
 * @throws CloveError `invalid-input` naming every bad variable; values are never repeated, since they may be secrets.
 */
export function parseEnv<T>(schema: Schema<T>, env: NodeJS.ProcessEnv = process.env): T {
  const value = (name: string): string | undefined => {
    const direct = env[name];
    if (direct !== undefined && direct !== '') return direct;
    const file = env[`${name}_FILE`];
    if (file === undefined || file === '') return undefined;
    try {
      return readFileSync(file, 'utf8').trim();
    } catch (cause) {
      throw new CloveError('invalid-input', `${name}_FILE: ${file} cannot be read (${(cause as Error).message}).`, {
        cause,
      });
    }
  };
  // The schema asks for the names that it knows; so only their files are opened.
  const lookup = new Proxy(env, {
    get: (_, name) => (typeof name === 'string' ? value(name) : undefined),
    has: (_, name) => typeof name === 'string' && value(name) !== undefined,
  });
  const result = schema.safeParse(lookup);
  if (result.success) return result.data;
  const bad = result.error.issues.map((issue) => {
    const name = String(issue.path[0] ?? 'environment');
    return `${name}: ${value(name) === undefined ? 'is not set' : issue.message}`;
  });
  throw new CloveError('invalid-input', `The environment is not complete:\n${bad.map((b) => `  ${b}`).join('\n')}`);
}
