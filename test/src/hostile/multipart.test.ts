/**
 * Made-up multipart bodies for every route that takes files: forms of good and bad parts in any order, whole or cut off, whose answer
 * follows from what they hold, and bytes that only look like forms. Nothing of what is refused stays.
 */
import { readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import { type Accepted, type Dataset, PROBLEMS } from '@clove/contracts';
import * as fc from 'fast-check';
import { beforeAll, describe, expect, inject, test, vi } from 'vitest';
import { apiKey, bearer, client, ended, expectNothingInside, host, raw, seenOf, stackUrl } from './support.js';

const SEED = 20_261_125;
const ROUTES = ['/v1/datasets', '/v1/predictions', '/v1/models/fuzzed/versions'];
const store = path.join(inject('stackHome'), 'artifacts');

/** What was accepted; the jobs go on while more is sent. */
const accepted: Accepted[] = [];

const filesBelow = async (folder: string): Promise<string[]> => {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isFile()).map((entry) => path.join(entry.parentPath, entry.name));
};
/** Files of the store that the gateway holds open, as Linux tells it. */
const openFiles = async (): Promise<string[]> => {
  if (process.platform !== 'linux') return [];
  const { pid } = inject('stackProcesses').find(({ name }) => name === 'gateway')!;
  const folder = `/proc/${pid}/fd`;
  const names = await Promise.all((await readdir(folder)).map((fd) => readlink(path.join(folder, fd)).catch(() => '')));
  return names.filter((name) => name.startsWith(store));
};

type Part =
  | { kind: 'file'; field: string; name: string; text: string }
  | { kind: 'name' | 'unknown'; field: string; text: string }
  | { kind: 'options'; text: string; fits: boolean };

/** Names of files that are more than names. */
const fileName = fc.oneof(
  fc.constantFrom(
    'a.csv',
    '../../etc/passwd',
    '..',
    '',
    'C:\\x.csv',
    'ü👩‍👩‍👧.csv',
    '%00.csv',
    'a;b.csv',
    "x' OR 1=1.csv",
    '.',
  ),
  fc.string({ maxLength: 40 }),
);
const GOOD = 'customer_id,order_date,amount\nc1,2024-01-01,5\nc2,2024-02-01,6\nc1,2024-03-01,7\n';
const text = fc.oneof(
  { weight: 3, arbitrary: fc.constant(GOOD) },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
);
const part: fc.Arbitrary<Part> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('file'),
      field: fc.constantFrom('file', 'files[]', 'x'),
      name: fileName,
      text,
    }) as fc.Arbitrary<Part>,
  },
  { weight: 1, arbitrary: fc.constant<Part>({ kind: 'name', field: 'name', text: 'fuzzed' }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Part>(
      { kind: 'options', text: '{}', fits: true },
      { kind: 'options', text: '{"kind":"orders of all"}', fits: false },
      { kind: 'options', text: '{', fits: false },
    ),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom('colour', 'file name', 'ид')
      .map((field): Part => ({ kind: 'unknown', field, text: 'red' })),
  },
);

/** As browsers write it: https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data */
const escaped = (name: string): string => name.replaceAll('\n', '%0A').replaceAll('\r', '%0D').replaceAll('"', '%22');
const written = (item: Part, boundary: string): string => {
  const field = item.kind === 'options' ? 'options' : item.field;
  const file = item.kind === 'file' ? `; filename="${escaped(item.name)}"` : '';
  return `--${boundary}\r\ncontent-disposition: form-data; name="${field}"${file}\r\n\r\n${item.text}\r\n`;
};

/** What the documentation says of a form of these parts: the first thing that is wrong, in their order. */
function answerTo(parts: readonly Part[]): { status: number; code: string | null } {
  const refused = (code: keyof typeof PROBLEMS) => ({ status: PROBLEMS[code].status, code });
  const fields = new Set<string>();
  let files = 0;
  for (const item of parts) {
    if (item.kind === 'file') {
      if (item.text === '') return refused('data-empty');
      files += 1;
      continue;
    }
    const field = item.kind === 'options' ? 'options' : item.field;
    if (fields.has(field)) return refused('invalid-input');
    fields.add(field);
    if (item.kind === 'unknown' || (item.kind === 'options' && !item.fits)) return refused('invalid-input');
  }
  return files === 0 ? refused('data-empty') : { status: 202, code: null };
}

const post = async (route: string, boundary: string, body: Uint8Array<ArrayBuffer>) => {
  const headers = { ...bearer, 'content-type': `multipart/form-data; boundary=${boundary}` };
  const seen = await seenOf(await fetch(`${stackUrl}${route}`, { method: 'POST', headers, body }));
  if (seen.status === 202) accepted.push(JSON.parse(seen.text) as Accepted);
  return { status: seen.status, code: seen.code };
};
const bytesOf = (body: string): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.from(body, 'utf8'));

let before: string[];
beforeAll(async () => {
  before = await filesBelow(store);
});

describe('a form of made-up parts', () => {
  test(`gets the answer to the first of them that is wrong, seed ${SEED}`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
        const boundary = '----clove-fuzz';
        const body = `${parts.map((item) => written(item, boundary)).join('')}--${boundary}--\r\n`;
        expect(await post('/v1/datasets', boundary, bytesOf(body))).toEqual(answerTo(parts));
      }),
      { seed: SEED, numRuns: 60, endOnFailure: true },
    );
  });

  test(`that ends before its end is never taken, whether its sender says so, goes silent or goes away, seed ${SEED}`, async () => {
    const ends = fc.constantFrom('said' as const, 'half' as const, 'cut' as const);
    await fc.assert(
      fc.asyncProperty(
        fc.array(part, { minLength: 1, maxLength: 3 }),
        fc.double({ min: 0, max: 0.99, noNaN: true }),
        ends,
        async (parts, share, end) => {
          const boundary = '----clove-fuzz';
          const whole = bytesOf(`${parts.map((item) => written(item, boundary)).join('')}--${boundary}--`);
          const cut = whole.slice(0, Math.floor(share * whole.length));
          const head = [
            'POST /v1/datasets HTTP/1.1',
            `host: ${host}`,
            `authorization: Bearer ${apiKey}`,
            'connection: close',
            `content-type: multipart/form-data; boundary=${boundary}`,
            `content-length: ${whole.length}`,
            '',
            '',
          ].join('\r\n');
          const answer =
            end === 'said'
              ? `HTTP/1.1 ${(await post('/v1/datasets', boundary, cut)).status} `
              : await raw([head, cut], end);
          expectNothingInside(answer);
          // who has gone hears nothing, or what was said before
          expect(answer).toMatch(end === 'cut' ? /^(?:HTTP\/1\.1 4(?:00|22) |$)/ : /^HTTP\/1\.1 4(?:00|22) /);
        },
      ),
      { seed: SEED, numRuns: 60, endOnFailure: true },
    );
  });
});

describe('bytes that look like a form', () => {
  const line = fc.oneof(
    fc.constantFrom(
      'content-disposition: form-data; name="file"; filename="a.csv"',
      'content-disposition: form-data; name=file; filename=a.csv',
      'content-disposition: form-data; name="file"; filename*=UTF-8\'\'%e2%82%ac.csv',
      'content-disposition: form-data; name="file"; filename*=klingon\'\'%ff%ff',
      'content-disposition: attachment; filename="a.csv"',
      'content-disposition: form-data; name="__proto__"',
      'content-disposition: form-data; name="constructor"; filename="x"',
      'content-disposition: form-data',
      'content-disposition:',
      'content-disposition: form-data; name="' + 'n'.repeat(5000) + '"',
      'content-type: application/json',
      'content-type: text/plain; charset=utf-7',
      'content-type: multipart/mixed; boundary=inner',
      'content-transfer-encoding: base64',
      'content-transfer-encoding: quoted-printable',
      'content-length: 99999999999',
      ': no name',
      'no colon',
      ' folded',
    ),
    fc.string({ unit: 'binary', maxLength: 60 }),
  );
  const boundaries = fc.oneof(
    fc.constantFrom(
      'b',
      '----clove',
      '"quoted boundary"',
      'b'.repeat(70),
      'b'.repeat(300),
      '""',
      "'()+_,-./:=?",
      '--',
      'b; boundary=c',
      'b; charset=utf-16',
    ),
    fc.string({ minLength: 1, maxLength: 20 }).map((made) => made.replace(/[^\x21-\x7e]/g, 'x')),
  );
  const bare = (boundary: string): string => /^"(.*)"$/.exec(boundary)?.[1] ?? boundary.split(';', 1)[0]!;
  const piece = fc.record({
    dashes: fc.constantFrom('--', '--', '--', '-', '', '----'),
    lines: fc.array(line, { maxLength: 4 }),
    body: fc.oneof(
      fc.constant(GOOD),
      fc.string({ unit: 'binary', maxLength: 80 }),
      fc.constant('\r\n--b\r\n'),
      fc.constant(''),
    ),
    lineEnd: fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r'),
  });
  const close = fc.constantFrom('--', '--', '', '-', '--\r\nan epilogue', '--\r\n--b\r\n');

  test.each(ROUTES)(`for %s gets a refusal or is taken, never a fault, seed ${SEED}`, async (route) => {
    await fc.assert(
      fc.asyncProperty(boundaries, fc.array(piece, { maxLength: 4 }), close, async (boundary, pieces, tail) => {
        const mark = bare(boundary);
        const body =
          pieces
            .map(({ dashes, lines, body: content, lineEnd }) =>
              [`${dashes}${mark}`, ...lines, '', content, ''].join(lineEnd),
            )
            .join('') + `--${mark}${tail}`;
        const { code } = await post(route, boundary, bytesOf(body));
        expect([
          null,
          'bad-request',
          'invalid-input',
          'data-empty',
          'unsupported-media-type',
          'upload-too-large',
          'not-found',
        ]).toContain(code);
      }),
      { seed: SEED, numRuns: 60, endOnFailure: true },
    );
  });
});

describe('after all of them', () => {
  test('the jobs that were accepted come to a known end, what was refused has left nothing, and the same processes work', async () => {
    for (const { job } of accepted) {
      const { status, code } = await ended(job.id);
      expect([status, code]).not.toContain('internal');
    }
    const ids = accepted.flatMap(({ id, job }) => [id, job.resource.id]);
    const datasets: Dataset[] = await Promise.all(
      accepted.filter(({ id }) => id.startsWith('ds_')).map(({ id }) => client.get<Dataset>(`/v1/datasets/${id}`)),
    );
    // a name from outside is a label and no path
    for (const { source } of datasets)
      for (const { name } of source.type === 'upload' ? source.files : []) expect(name).not.toMatch(/[/\\\p{Cc}]/u);
    await vi.waitFor(
      async () => {
        const now = (await filesBelow(store)).filter((file) => !before.includes(file));
        expect(now.filter((file) => !ids.some((id) => file.includes(id)))).toEqual([]);
      },
      { timeout: 20_000, interval: 50 },
    );
    await vi.waitFor(async () => expect(await openFiles()).toEqual([]), { timeout: 20_000, interval: 50 });
    for (const { pid } of inject('stackProcesses')) expect(() => process.kill(pid, 0)).not.toThrow();
    const boundary = 'b';
    const good = bytesOf(
      `${written({ kind: 'file', field: 'file', name: 'a.csv', text: GOOD }, boundary)}--${boundary}--\r\n`,
    );
    expect(await post('/v1/datasets', boundary, good)).toEqual({ status: 202, code: null });
  });
});
