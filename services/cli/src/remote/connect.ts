import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CloveError } from '@clove/contracts';
import { type Context, text } from '../context.js';
import { type GatewayClient, createClient } from './client.js';

const DEFAULT_URL = 'http://127.0.0.1:3000';
const LOOPBACK = new Set(['127.0.0.1', 'localhost', '[::1]']);

/** The file in a data folder by which `start` and `demo` tell other commands where their gateway listens. */
export const STACK_RECORD = 'stack.json';

/** Whether a process with this id is there; a launcher that was killed leaves its record behind. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
};

/** What a stack that runs on this machine has left in its data folder for clients. */
const localStack = (environment: NodeJS.ProcessEnv): { url: string | undefined; apiKey: string | undefined } => {
  const checkout = fileURLToPath(new URL('../../../..', import.meta.url));
  const home = environment['CLOVE_HOME'] || join(checkout, '.data');
  const read = (name: string) => {
    const path = join(home, name);
    return existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined;
  };
  const record = read(STACK_RECORD);
  const stack = record === undefined ? undefined : (JSON.parse(record) as { url: string; pid: number });
  return { url: stack && isAlive(stack.pid) ? stack.url : undefined, apiKey: read('api-key.secret') };
};

/** An address and the key to send there, none where there is none to send. */
export type Connection = { url: string; apiKey: string | undefined };

/**
 * The gateway that the flags name: `--url`, CLOVE_URL, the stack that runs from this checkout, or port 3000 of this
 * machine; with the key of `--api-key`, CLOVE_API_KEY or this checkout's own stack. The checkout's key is sent to this
 * machine only.
 * @throws CloveError 'invalid-input' where the address is none
 */
export const resolveConnection = (ctx: Pick<Context, 'values' | 'environment'>): Connection => {
  const given = text(ctx, 'url') ?? (ctx.environment['CLOVE_URL'] || undefined);
  const givenKey = text(ctx, 'apiKey') ?? (ctx.environment['CLOVE_API_KEY'] || undefined);
  const local = given !== undefined && givenKey !== undefined ? undefined : localStack(ctx.environment);
  const url = given ?? local?.url ?? DEFAULT_URL;
  const host = hostOf(url);
  if (host === undefined)
    throw new CloveError('invalid-input', `--url ${url}: give an address such as ${DEFAULT_URL}.`);
  return { url, apiKey: givenKey ?? (LOOPBACK.has(host) ? local?.apiKey : undefined) };
};

/** The host of an HTTP address; undefined for anything else. */
const hostOf = (url: string): string | undefined => {
  if (!URL.canParse(url)) return undefined;
  const { protocol, hostname } = new URL(url);
  return protocol === 'http:' || protocol === 'https:' ? hostname : undefined;
};

/** A client of the gateway that the flags name. */
export const connect = (ctx: Context): GatewayClient => createClient({ ...resolveConnection(ctx), signal: ctx.signal });
