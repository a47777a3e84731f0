/** Readers of event streams that ask for anything, leave in the middle or come in crowds: each is told what it should be, and nothing is left of it. */
import { readdir, readlink } from 'node:fs/promises';
import { request } from 'node:http';
import path from 'node:path';
import { type Accepted, type Job, isTerminal } from '@clove/contracts';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { apiKey, bearer, client, expectNothingInside, host, raw, send, stackUrl } from './support.js';

const SEED = 20_261_126;
const CROWD = 100;

let job: Job;
/** A job that waits for as long as these tests last. */
let waiting: Job;
const trainer = inject('stackProcesses').find(({ name }) => name === 'trainer')!.pid;
beforeAll(async () => {
  const made = await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 200 });
  job = await client.settled(made.job.id);
  process.kill(trainer, 'SIGSTOP');
  waiting = (await client.accepted('/v1/runs', { datasetId: made.id, modelName: 'streams', epochs: 1 })).job;
});
afterAll(async () => {
  process.kill(trainer, 'SIGCONT');
  await client.settled(waiting.id);
});

type Told = { event: string; id: string; data: unknown };
const read = (text: string): Told[] =>
  text
    .split('\n\n')
    .map((block) =>
      Object.fromEntries(
        block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      ),
    )
    .filter((fields) => fields['event'] !== undefined)
    .map((fields) => ({ event: fields['event']!, id: fields['id']!, data: JSON.parse(fields['data']!) as unknown }));
const revisionOf = ({ id }: Told): number => Number(id.split('.')[0]);

const watch = (lastEventId: string | undefined, id = job.id): Promise<Response> =>
  fetch(`${stackUrl}/v1/jobs/${id}/events`, {
    headers: { ...bearer, ...(lastEventId !== undefined && { 'last-event-id': lastEventId }) },
  });

describe('Last-Event-ID', () => {
  const small = fc.integer({ min: 0, max: 12 });
  const position = fc.oneof(
    { weight: 4, arbitrary: fc.tuple(small, small, small, small).map((numbers) => numbers.join('.')) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        '999999999.0.0.0',
        '9999999999.0.0.0',
        '-1.0.0.0',
        '1.2.3',
        '1.2.3.4.5',
        '1e3.0.0.0',
        '٣.0.0.0',
        'NaN',
        '0x1.0.0.0',
        "1' OR '1'='1",
        '../../x',
        '*',
      ),
    },
    { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 60 }) },
    { weight: 1, arbitrary: fc.integer({ min: 100, max: 6000 }).map((length) => '1'.repeat(length)) },
  );

  test(`whatever it says, the job is told from there to its end or from its beginning, seed ${SEED}`, async () => {
    await fc.assert(
      fc.asyncProperty(position, async (made) => {
        // what no header can carry is never sent; the ends of a header's value are not part of it
        const header = made.replace(/[^\x20-\x7e\x80-\xff]/g, '?').trim();
        const numbers = /^(\d{1,9})\.\d{1,9}\.\d{1,9}\.\d{1,9}$/.exec(header);
        const from = numbers === null ? 0 : Number(numbers[1]);
        const answer = await watch(header);
        const text = await answer.text();
        expectNothingInside(text);
        const told = read(text);
        const done = from >= job.revision;
        expect(answer.status).toBe(done ? 204 : 200);
        expect(answer.headers.get('content-type')).toBe(done ? null : 'text/event-stream; charset=utf-8');
        for (const one of told) expect(revisionOf(one)).toBeGreaterThanOrEqual(from);
        expect(told.slice(-1)).toMatchObject(done ? [] : [{ event: 'job', data: job }]);
      }),
      { seed: SEED, numRuns: 80, endOnFailure: true },
    );
  });

  test('of 100 KB is refused, of a job that is not there is answered as any other question of it', async () => {
    const head = (line: string, value: string) =>
      [
        line,
        `host: ${host}`,
        `authorization: Bearer ${apiKey}`,
        `last-event-id: ${value}`,
        'connection: close',
        '',
        '',
      ].join('\r\n');
    const path = `GET /v1/jobs/${job.id}/events HTTP/1.1`;
    expect(await raw([head(path, 'x'.repeat(100_000))])).toMatch(/^HTTP\/1\.1 431 /);
    expect(await raw([head(path, '1.\u0000.1.1')])).toMatch(/^HTTP\/1\.1 400 /);
    for (const id of ['job_0000000000000000000000', 'x', '%00', "job_' OR '1'='1"]) {
      expect(await send('GET', `/v1/jobs/${encodeURIComponent(id)}/events`)).toMatchObject({
        status: 404,
        code: 'not-found',
      });
    }
    expect((await fetch(`${stackUrl}/v1/jobs/${job.id}/events`)).status).toBe(401);
    for (const method of ['POST', 'DELETE', 'PUT']) {
      expect(await send(method, `/v1/jobs/${job.id}/events`, '{}')).toMatchObject({
        status: 405,
        code: 'method-not-allowed',
      });
    }
  });
});

/** Connections that the gateway holds. */
const connections = async (): Promise<number> => {
  const { pid } = inject('stackProcesses').find(({ name }) => name === 'gateway')!;
  const folder = `/proc/${pid}/fd`;
  const names = await Promise.all((await readdir(folder)).map((fd) => readlink(path.join(folder, fd)).catch(() => '')));
  return names.filter((name) => name.startsWith('socket:')).length;
};

/** Opens a stream of the waiting job on a connection of its own and reads until its first event is there. */
const reader = (): Promise<{ first: Told; leave(): void }> =>
  new Promise((resolve, reject) => {
    const asked = request(`${stackUrl}/v1/jobs/${waiting.id}/events`, { headers: bearer, agent: false });
    asked.on('error', reject).end();
    asked.on('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('error', () => {}); // of the connection that is broken off
      answer.on('data', (chunk: string) => {
        text += chunk;
        const [first] = read(text).filter(({ event }) => event === 'job');
        if (first !== undefined) resolve({ first, leave: () => asked.destroy() });
      });
      answer.on('end', () =>
        reject(new Error(`the stream of a job that waits has ended: ${answer.statusCode} ${text}`)),
      );
    });
  });

describe('readers', () => {
  test.skipIf(process.platform !== 'linux')(
    `${CROWD} at once are all told, others are answered meanwhile, and none is held on to once they have left (needs Linux)`,
    async () => {
      const before = await connections();
      const crowd = await Promise.all(Array.from({ length: CROWD }, reader));
      for (const { first } of crowd) expect(first.data).toMatchObject({ id: waiting.id, status: 'queued' });
      expect(await connections()).toBeGreaterThanOrEqual(before + CROWD / 2);
      expect(await send('GET', '/v1/me')).toMatchObject({ status: 200 });
      expect((await client.get<Job>(`/v1/jobs/${waiting.id}`)).status).toBe('queued');
      for (const { leave } of crowd) leave();
      await vi.waitFor(async () => expect(await connections()).toBeLessThan(before + CROWD / 10), {
        timeout: 30_000,
        interval: 100,
      });
    },
  );

  test(`who leaves at any byte, or speaks after having asked, harms nobody, seed ${SEED}`, async () => {
    const asked = [
      `GET /v1/jobs/${waiting.id}/events HTTP/1.1`,
      `host: ${host}`,
      `authorization: Bearer ${apiKey}`,
      '',
      '',
    ].join('\r\n');
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: asked.length }),
        fc.string({ unit: 'binary', maxLength: 100 }),
        async (length, more) => {
          expectNothingInside(await raw([asked.slice(0, length), ...(length === asked.length ? [more] : [])], 'cut'));
        },
      ),
      { seed: SEED, numRuns: 60, endOnFailure: true },
    );
    expect((await send('GET', '/readyz')).status).toBe(200);
  });

  test('a stream ends when its job does, whoever else has left', async () => {
    const [stays, leaves] = [await watch(undefined, waiting.id), await reader()];
    leaves.leave();
    const cancelled = await client.call<Accepted>('POST', `/v1/jobs/${waiting.id}/cancel`);
    expect(cancelled.status).toBe(202);
    process.kill(trainer, 'SIGCONT');
    const told = read(await stays.text());
    expect(isTerminal((told.at(-1)!.data as Job).status)).toBe(true);
    for (const { pid } of inject('stackProcesses')) expect(() => process.kill(pid, 0)).not.toThrow();
  });
});
