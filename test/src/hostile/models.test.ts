/** Hostile model files: an import refuses them, and what it refuses leaves nothing behind. */
import type { Accepted, ModelVersion } from '@clove/contracts';
import { MANIFEST_KEY } from '@clove/contracts';
import { withMetadata } from '@clove/engine';
import { beforeAll, describe, expect, inject, test } from 'vitest';
import { bearer, client, ended, seenOf, stackUrl } from './support.js';

type Bytes = Uint8Array<ArrayBuffer>;

/** A model that this very stack trained. */
let onnx: Bytes;
let manifest: string;
beforeAll(async () => {
  const made = await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 300 });
  await client.settled(made.job.id);
  const options = { hidden: [4], epochs: 1, batchSize: 64 };
  const run = await client.accepted('/v1/runs', {
    datasetId: made.id,
    model: 'feedforward',
    modelName: 'hostile',
    ...options,
  });
  await client.settled(run.job.id);
  const file = async (name: string): Promise<Bytes> => {
    const answer = await fetch(`${stackUrl}/v1/models/hostile/versions/1/artifacts/${name}`, { headers: bearer });
    return new Uint8Array(await answer.arrayBuffer());
  };
  onnx = await file('model.onnx');
  manifest = new TextDecoder().decode(await file('model.json'));
});

// The wire format of protobuf, as far as it takes to write a graph; field numbers of onnx.proto.
const varint = (value: number | bigint): number[] => {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    bytes.push(Number(rest & 127n) | (rest > 127n ? 128 : 0));
    rest >>= 7n;
  } while (rest > 0n);
  return bytes;
};
const num = (field: number, value: number | bigint): number[] => [...varint(field << 3), ...varint(value)];
const bin = (field: number, value: string | number[]): number[] => {
  const bytes = typeof value === 'string' ? [...Buffer.from(value)] : value;
  return [...varint((field << 3) | 2), ...varint(bytes.length), ...bytes];
};
const node = (operator: string, more: number[] = [], domain = ''): number[] =>
  bin(1, [...bin(1, 'input'), ...bin(2, 'output'), ...bin(4, operator), ...bin(7, domain), ...more]);
const model = (...graphs: number[][]): Bytes =>
  Uint8Array.from([
    ...num(1, 10),
    ...bin(8, [...bin(1, ''), ...num(2, 21)]),
    ...graphs.flatMap((graph) => bin(7, graph)),
  ]);
/** A float tensor that says it has these dimensions, with as many bytes as given. */
const tensor = (dims: (number | bigint)[], bytes = 4, more: number[] = []): number[] =>
  bin(5, [
    ...dims.flatMap((dim) => num(1, dim)),
    ...num(2, 1),
    ...bin(8, 'weights'),
    ...bin(9, Array<number>(bytes).fill(0)),
    ...more,
  ]);
const described = (bytes: Bytes): Bytes => Uint8Array.from(withMetadata(bytes, MANIFEST_KEY, manifest));

const CASES: [what: string, files: () => Record<string, Bytes | string>, code: string][] = [
  [
    'an operator that runs anything',
    () => ({ 'model.onnx': described(model(node('PythonOp', [], 'com.microsoft'))) }),
    'invalid-input',
  ],
  [
    'an operator of ours in a domain that is not',
    () => ({ 'model.onnx': described(model(node('MatMul', [], 'evil'))) }),
    'invalid-input',
  ],
  ['a loop', () => ({ 'model.onnx': described(model(node('Loop'))) }), 'invalid-input'],
  [
    'a branch within an attribute',
    () => ({ 'model.onnx': described(model(node('Identity', bin(5, [...bin(1, 'g'), ...bin(6, node('Add'))])))) }),
    'invalid-input',
  ],
  ['random numbers', () => ({ 'model.onnx': described(model(node('RandomNormal'))) }), 'invalid-input'],
  [
    'functions',
    () => ({ 'model.onnx': described(Uint8Array.from([...model(node('Add')), ...bin(25, bin(1, 'f'))])) }),
    'invalid-input',
  ],
  [
    'numbers in /etc/passwd',
    () => ({
      'model.onnx': described(
        model([
          ...node('Add'),
          ...tensor([1], 0, [...bin(13, [...bin(1, 'location'), ...bin(2, '/etc/passwd')]), ...num(14, 1)]),
        ]),
      ),
    }),
    'invalid-input',
  ],
  [
    'a tensor of 2^62 numbers',
    () => ({ 'model.onnx': described(model([...node('Identity'), ...tensor([2n ** 62n])])) }),
    'invalid-input',
  ],
  [
    'a tensor of many huge dimensions',
    () => ({
      'model.onnx': described(model([...node('Identity'), ...tensor([2 ** 31 - 1, 2 ** 31 - 1, 2 ** 31 - 1])])),
    }),
    'invalid-input',
  ],
  [
    'a tensor of less than nothing',
    () => ({ 'model.onnx': described(model([...node('Identity'), ...tensor([-1n])])) }),
    'invalid-input',
  ],
  [
    'a cycle',
    () => ({
      'model.onnx': described(
        model([
          ...bin(1, [...bin(1, 'a'), ...bin(2, 'b'), ...bin(4, 'Neg')]),
          ...bin(1, [...bin(1, 'b'), ...bin(2, 'a'), ...bin(4, 'Neg')]),
        ]),
      ),
    }),
    'invalid-input',
  ],
  ['a graph of a million outputs', () => ({ 'model.onnx': described(model([...node('Expand')])) }), 'invalid-input'],
  ['two graphs', () => ({ 'model.onnx': described(model(node('Add'), node('Add'))) }), 'data-unreadable'],
  ['no graph', () => ({ 'model.onnx': described(model()) }), 'data-unreadable'],
  [
    'a length beyond the end',
    () => ({ 'model.onnx': Uint8Array.from([0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]) }),
    'data-unreadable',
  ],
  ['a model without its end', () => ({ 'model.onnx': onnx.slice(0, onnx.length / 2) }), 'data-unreadable'],
  [
    'a pickle called model.onnx',
    () => ({ 'model.onnx': Uint8Array.from([0x80, 4, 0x95, 1, 0, 0, 0, 0, 0, 0, 0, 0x2e]) }),
    'data-unreadable',
  ],
  ['weights of PyTorch', () => ({ 'model.onnx': 'PK\u0003\u0004archive/data.pkl' }), 'data-unreadable'],
  ['a description that is no JSON', () => ({ 'model.onnx': onnx, 'model.json': '{' }), 'data-unreadable'],
  [
    'a description of deep JSON',
    () => ({ 'model.onnx': onnx, 'model.json': '['.repeat(100_000) + ']'.repeat(100_000) }),
    'data-unreadable',
  ],
  [
    'a description with a width of 2^53',
    () => ({ 'model.onnx': onnx, 'model.json': manifest.replace(/"width":\s*\d+/, '"width": 9007199254740991') }),
    'data-unreadable',
  ],
  [
    'a description with NaN',
    () => ({ 'model.onnx': onnx, 'model.json': manifest.replace(/"mean":\s*[-\d.e]+/, '"mean": NaN') }),
    'data-unreadable',
  ],
  [
    'a description whose scale is 1e308',
    () => ({
      'model.onnx': onnx,
      'model.json': manifest.replace(
        /"interval":\s*\{[^}]*\}/,
        '"interval": {"level":0.8,"below":1e308,"above":1e308}',
      ),
    }),
    'invalid-input',
  ],
];

const bring = async (name: string, files: Record<string, Bytes | string>) => {
  const form = new FormData();
  for (const [label, bytes] of Object.entries(files)) form.append('file', new Blob([bytes]), label);
  return seenOf(await fetch(`${stackUrl}/v1/models/${name}/versions`, { method: 'POST', headers: bearer, body: form }));
};

describe('a model file', () => {
  test.each(CASES)('with %s is refused by its job', async (_what, files, code) => {
    const seen = await bring('brought', files());
    expect(seen.status, seen.text).toBe(202);
    expect(await ended((JSON.parse(seen.text) as Accepted).job.id)).toMatchObject({ status: 'failed', code });
  });

  test.each(['model.pkl', 'model.pt', 'model.bin', '../model.json.exe', '.onnx/x'])(
    'called %j is refused at once',
    async (name) => {
      expect(await bring('brought', { [name]: onnx })).toMatchObject({ status: 422, code: 'invalid-input' });
    },
  );

  test('that is refused makes no version, and a good one is taken afterwards by the same processes', async () => {
    for (const { pid } of inject('stackProcesses')) expect(() => process.kill(pid, 0)).not.toThrow();
    const seen = await bring('brought', { 'model.onnx': onnx, 'model.json': manifest });
    expect(await ended((JSON.parse(seen.text) as Accepted).job.id)).toMatchObject({ status: 'succeeded' });
    expect((await client.get<ModelVersion>('/v1/models/brought/versions/1')).version).toBe(1);
  });
});

describe('customers to score', () => {
  const score = async (row: Record<string, unknown>) => {
    const answer = await client.call<{ code?: string }>('POST', '/v1/score', { model: 'hostile', rows: [row] });
    return { status: answer.status, code: answer.body.code ?? null };
  };

  test('of 1e308, of no column, or with texts for numbers are answered or refused by name', async () => {
    const { features } = (JSON.parse(manifest) as { schema: { features: { name: string }[] } }).schema;
    const every = (value: unknown) => Object.fromEntries(features.map(({ name }) => [name, value]));
    expect((await score(every(1e308))).status).toBeLessThan(500);
    expect((await score(every(-5e-324))).status).toBe(200);
    expect((await score(every(null))).status).toBeLessThan(500);
    expect((await score(every("'; DROP TABLE x; --"))).status).toBeLessThan(500);
    expect(await score({ '__proto__.x': 1 })).toEqual({ status: 422, code: 'columns-mismatch' });
    expect(await score({})).toEqual({ status: 422, code: 'columns-mismatch' });
    expect((await score(every(1))).status).toBe(200);
  });
});
