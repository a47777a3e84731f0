import { describe, expect, test } from 'vitest';
import { decodeSafetensors, encodeSafetensors } from './safetensors.js';

const tensors = {
  flags: { shape: [3], values: Uint8Array.from([1, 0, 255]) },
  weights: { shape: [2, 2], values: Float32Array.from([1.5, -2, Number.NaN, Infinity]) },
  counts: { shape: [2], values: Int32Array.from([-7, 2 ** 31 - 1]) },
  exact: { shape: [], values: Float64Array.from([Math.PI]) },
  none: { shape: [0, 4], values: new Float32Array() },
};

/** A file with this header and this many bytes of data. */
function file(header: unknown, dataBytes: number, claimed?: bigint): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, claimed ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}
const tensor = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype: unknown = 'F32') => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

describe('safetensors', () => {
  test('come back as they went in, with their metadata', () => {
    const decoded = decodeSafetensors(encodeSafetensors(tensors, { epoch: '3', note: 'ü' }));
    expect(decoded.metadata).toEqual({ epoch: '3', note: 'ü' });
    expect(decoded.tensors).toEqual(tensors);
  });
  test('are laid out as documented: header length, JSON header, aligned data', () => {
    const bytes = encodeSafetensors(tensors);
    const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    expect(headerBytes % 8).toBe(0);
    const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + headerBytes)).toString()) as Record<string, unknown>;
    expect(header['exact']).toEqual({ dtype: 'F64', shape: [], data_offsets: [0, 8] });
    const weights = header['weights'] as { dtype: string; data_offsets: [number, number] };
    expect(weights.dtype).toBe('F32');
    const at = 8 + headerBytes + weights.data_offsets[0];
    expect(at % 4).toBe(0);
    expect(new DataView(bytes.buffer).getFloat32(at, true)).toBe(1.5);
  });
  test('are decoded from the middle of a larger buffer', () => {
    const bytes = encodeSafetensors(tensors);
    const larger = new Uint8Array(bytes.length + 9);
    larger.set(bytes, 3);
    expect(decodeSafetensors(larger.subarray(3, 3 + bytes.length)).tensors).toEqual(tensors);
  });
  test('are decoded from a Buffer, as files are read', () => {
    const decoded = decodeSafetensors(Buffer.from(encodeSafetensors(tensors)));
    expect(decoded.tensors).toEqual(tensors);
  });

  test('are refused where shape and values disagree', () => {
    expect(() => encodeSafetensors({ x: { shape: [3], values: new Float32Array(2) } })).toThrow(/"x".*\[3\].*2 values/);
  });
});

describe('a hostile or broken file is refused, and told why', () => {
  test.each<[string, Uint8Array, RegExp]>([
    ['too short', new Uint8Array(7), /7 bytes/],
    ['a huge header length', file({}, 0, 2n ** 64n - 1n), /header claims/],
    ['a header length beyond the file', file({}, 0, 1000n), /claims 1000 bytes/],
    ['a header that is no JSON', file('{"a":', 0), /not JSON/],
    ['a header that is no object', file([1], 0), /not a JSON object/],
    ['a header that is not UTF-8', Uint8Array.from([2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe]), /not JSON/],
    ['metadata that are no texts', file({ __metadata__: { a: 1 } }, 0), /__metadata__/],
    ['a tensor that is no object', file({ x: 3 }, 0), /"x" has no description/],
    ['an unknown dtype', file({ x: tensor(0, 4, [1], 'BF16') }, 4), /BF16/],
    ['a dtype that is a property of objects', file({ x: tensor(0, 4, [1], 'constructor') }, 4), /constructor/],
    ['a negative length', file({ x: tensor(0, 4, [-1]) }, 4), /shape/],
    ['a fractional length', file({ x: tensor(0, 4, [0.5, 2]) }, 4), /shape/],
    ['offsets the wrong way round', file({ x: tensor(4, 0, [0]) }, 4), /bytes 4 to 0/],
    ['offsets beyond the data', file({ x: tensor(0, 8) }, 4), /bytes 0 to 8, of 4/],
    ['a shape that does not fill its bytes', file({ x: tensor(0, 8, [3]) }, 8), /does not fill/],
    ['a shape whose product overflows', file({ x: tensor(0, 8, [2 ** 53 - 1, 2 ** 53 - 1]) }, 8), /does not fill/],
    ['overlapping tensors', file({ x: tensor(0, 8), y: tensor(4, 12) }, 12), /"y" overlaps/],
    ['a gap', file({ x: tensor(0, 4), y: tensor(8, 12) }, 12), /bytes 4 to 8/],
    ['bytes after the last tensor', file({ x: tensor(0, 4) }, 8), /bytes 4 to 8/],
  ])('%s', (_, bytes, why) => {
    expect(() => decodeSafetensors(bytes)).toThrow(
      expect.objectContaining({ code: 'invalid-file', message: expect.stringMatching(why) }),
    );
  });
});
