/** What the tests of hostile input share: the stack, requests of bare bytes, and what no answer may ever hold. */
import { connect } from 'node:net';
import { DuckDBInstance } from '@duckdb/node-api';
import { type Job, Problem } from '@clove/contracts';
import { expect, inject } from 'vitest';
import { api } from '../support/api.js';

export const stackUrl = inject('stackUrl');
export const apiKey = inject('stackApiKey');
/** The API of the stack, as the administrator. */
export const client = api(stackUrl, apiKey);
export const bearer = { authorization: `Bearer ${apiKey}` };

/** Folders, stack frames, sources and addresses of servers: nothing that a client needs to know. */
const SECRETS = [
  inject('stackHome'),
  /\/(?:tmp|home|root|usr|var|proc|dist|src|node_modules)\//,
  /\bat (?:async )?[\w.<>]+ \([^)]*:\d/,
  /\.[jt]s:\d+/,
  /postgres(?:ql)?:\/\/|rediss?:\/\//,
  /prisma|bullmq|invocation in/i,
];

/** @throws where a text that a client gets to see says something of the inside */
export function expectNothingInside(text: string): void {
  for (const secret of SECRETS) {
    if (typeof secret === 'string') expect(text).not.toContain(secret);
    else expect(text).not.toMatch(secret);
  }
}

/** What was answered, in short. */
export type Seen = { status: number; code: string | null; text: string };

/** The answer to a request: a refusal must be a problem document, and nothing of the inside may show. */
export async function seenOf(response: Response): Promise<Seen> {
  const text = await response.text();
  expectNothingInside(text);
  if (response.status < 400) return { status: response.status, code: null, text };
  const problem = Problem.parse(JSON.parse(text));
  expect(problem.status).toBe(response.status);
  expect(response.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  return { status: response.status, code: problem.code, text };
}

/** One request with whatever body, as the administrator. */
export const send = async (
  method: string,
  path: string,
  body?: BodyInit,
  headers: Record<string, string> = {},
): Promise<Seen> =>
  seenOf(await fetch(`${stackUrl}${path}`, { method, headers: { ...bearer, ...headers }, ...(body && { body }) }));

export const sendJson = (path: string, body: unknown, method = 'POST'): Promise<Seen> =>
  send(method, path, typeof body === 'string' ? body : JSON.stringify(body), { 'content-type': 'application/json' });

/** The end of a job; what it tells of itself must show nothing of the inside. */
export async function ended(jobId: string): Promise<{ status: Job['status']; code: string | null; message: string }> {
  const job = await client.settled(jobId);
  expectNothingInside(JSON.stringify([job.error, job.stage]));
  return { status: job.status, code: job.error?.code ?? null, message: job.error?.message ?? '' };
}

/**
 * Writes bytes to the gateway's port as they are and reads to the end. `half` ends our side after the last byte, `cut`
 * breaks the connection off, `hold` waits for the gateway to end it.
 */
export function raw(chunks: (string | Uint8Array)[], ending: 'half' | 'cut' | 'hold' = 'hold'): Promise<string> {
  const { hostname, port } = new URL(stackUrl);
  return new Promise((resolve) => {
    const got: Buffer[] = [];
    const socket = connect(Number(port), hostname);
    const done = () => resolve(Buffer.concat(got).toString('latin1'));
    socket.on('data', (chunk) => got.push(chunk));
    socket.on('close', done);
    // a gateway that refuses what it is still being sent resets the connection
    socket.on('error', done);
    for (const chunk of chunks) socket.write(chunk);
    if (ending === 'half') socket.end();
    if (ending === 'cut') socket.write('', () => socket.destroy());
  });
}

/** As `raw`, with the same chunk again and again, as fast as it is taken, until there is an answer or it was sent `times` times. */
export function flood(head: string, chunk: string | Uint8Array, times: number): Promise<string> {
  const { hostname, port } = new URL(stackUrl);
  return new Promise((resolve) => {
    let got = '';
    let left = times;
    const socket = connect(Number(port), hostname);
    const done = () => resolve(got);
    const more = () => {
      for (; left > 0; left -= 1) if (!socket.write(chunk)) return;
    };
    socket.on('data', (bytes) => {
      got += bytes.toString('latin1');
      left = 0;
    });
    socket.on('drain', more).on('close', done).on('error', done);
    socket.write(head);
    more();
  });
}

export const host = new URL(stackUrl).host;

/** The bytes of a Parquet file that holds what a query answers. */
export async function parquetOf(query: string, file: string): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  await connection.run(`COPY (${query}) TO '${file}' (FORMAT parquet)`);
  connection.closeSync();
  instance.closeSync();
}
