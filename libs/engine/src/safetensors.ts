/**
 * The safetensors layout (https://huggingface.co/docs/safetensors): an unsigned 64-bit little-endian header length, a
 * JSON header naming each tensor's dtype, shape and byte range, then the bytes of the tensors, back to back.
 *
 * A file may come from anywhere, so nothing in its header is believed before it is checked: lengths, ranges, overlaps,
 * gaps, shapes. Numbers are little-endian, as on every machine that Node runs on.
 */
import { EngineError } from './errors.js';
import { sizeOf } from './network.js';

const DTYPES = {
  F32: { array: Float32Array, bytes: 4 },
  F64: { array: Float64Array, bytes: 8 },
  I32: { array: Int32Array, bytes: 4 },
  U8: { array: Uint8Array, bytes: 1 },
} as const;
type Dtype = keyof typeof DTYPES;

/** Longest header that is read; far above any honest one. The reference implementation has the same limit. */
const MAX_HEADER_BYTES = 100_000_000;

/** Numbers of a tensor and its shape; the kind of array is the dtype: F32, F64, I32 or U8. */
export type SafeTensor = { shape: number[]; values: Float32Array | Float64Array | Int32Array | Uint8Array };

const dtypeOf = (values: SafeTensor['values']): Dtype =>
  values instanceof Float32Array
    ? 'F32'
    : values instanceof Float64Array
      ? 'F64'
      : values instanceof Int32Array
        ? 'I32'
        : 'U8';

/**
 * Encodes tensors, the same bytes for the same tensors in the same order. The header is padded with spaces to a multiple of
 * 8, and larger element types come first, so each tensor is aligned in the file.
 * @param metadata free texts, kept in the header under `__metadata__`
 */
export function encodeSafetensors(
  tensors: Record<string, SafeTensor>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const entries = Object.entries(tensors).map(([name, tensor]) => ({ name, ...tensor, dtype: dtypeOf(tensor.values) }));
  entries.sort((a, b) => DTYPES[b.dtype].bytes - DTYPES[a.dtype].bytes);
  let end = 0;
  const header: [string, unknown][] = [['__metadata__', metadata]];
  for (const { name, shape, values, dtype } of entries) {
    if (name === '__metadata__') throw new EngineError('invalid-file', 'No tensor can be named "__metadata__".');
    if (sizeOf(shape) !== values.length) {
      throw new EngineError(
        'size-mismatch',
        `Tensor "${name}" of shape [${shape.join(', ')}] has ${values.length} values.`,
      );
    }
    header.push([name, { dtype, shape, data_offsets: [end, (end += values.byteLength)] }]);
  }
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const file = new Uint8Array(8 + headerBytes + end).fill(0x20, 8, 8 + headerBytes);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.set(json, 8);
  let offset = 8 + headerBytes;
  for (const { values } of entries) {
    file.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), offset);
    offset += values.byteLength;
  }
  return file;
}

/**
 * Decodes a safetensors file. The arrays are copies.
 * @throws EngineError `invalid-file` naming the tensor and what is wrong with it
 */
export function decodeSafetensors(bytes: Uint8Array): {
  tensors: Record<string, SafeTensor>;
  metadata: Record<string, string>;
} {
  if (bytes.length < 8) throw fail(`it has ${bytes.length} bytes, fewer than the 8 of its header length.`);
  const headerBytes = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (headerBytes > MAX_HEADER_BYTES || 8 + headerBytes > bytes.length) {
    throw fail(`its header claims ${headerBytes} bytes, the file has ${bytes.length}.`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(8, 8 + headerBytes)));
  } catch (cause) {
    throw fail('its header is not JSON.', cause);
  }
  if (!isObject(header)) throw fail('its header is not a JSON object.');
  const data = bytes.subarray(8 + headerBytes);
  const metadata = header['__metadata__'] ?? {};
  if (!isObject(metadata) || !Object.values(metadata).every((text) => typeof text === 'string')) {
    throw fail('__metadata__ must map texts to texts.');
  }

  const ranges: { name: string; begin: number; end: number }[] = [];
  const tensors = new Map<string, SafeTensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const where = `tensor ${JSON.stringify(name.slice(0, 100))}`;
    if (!isObject(entry)) throw fail(`${where} has no description.`);
    const { dtype, shape, data_offsets: offsets } = entry;
    if (!isDtype(dtype)) {
      throw fail(`${where} has the dtype ${JSON.stringify(dtype)}; known are ${Object.keys(DTYPES).join(', ')}.`);
    }
    if (!isCounts(shape)) throw fail(`${where} has no usable shape.`);
    if (!isCounts(offsets) || offsets.length !== 2) throw fail(`${where} has no usable data_offsets.`);
    const [begin, end] = offsets as [number, number];
    if (begin > end || end > data.length) {
      throw fail(`${where} lies at bytes ${begin} to ${end}, of ${data.length} bytes of data.`);
    }
    const { array, bytes: itemBytes } = DTYPES[dtype];
    if (sizeOf(shape) * itemBytes !== end - begin) {
      throw fail(`${where} of shape [${shape.join(', ')}] and dtype ${dtype} does not fill its ${end - begin} bytes.`);
    }
    ranges.push({ name: where, begin, end });
    tensors.set(name, { shape, values: new array(new Uint8Array(data.subarray(begin, end)).buffer) });
  }
  ranges.sort((a, b) => a.begin - b.begin || a.end - b.end);
  let covered = 0;
  for (const { name, begin, end } of ranges) {
    if (begin < covered) throw fail(`${name} overlaps the one before it.`);
    if (begin > covered) throw fail(`bytes ${covered} to ${begin} of the data belong to no tensor.`);
    covered = end;
  }
  if (covered !== data.length) throw fail(`bytes ${covered} to ${data.length} of the data belong to no tensor.`);
  return { tensors: Object.fromEntries(tensors), metadata: metadata as Record<string, string> };
}

const fail = (what: string, cause?: unknown): EngineError =>
  new EngineError('invalid-file', `Not a usable safetensors file: ${what}`, cause);
const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isDtype = (value: unknown): value is Dtype => typeof value === 'string' && Object.hasOwn(DTYPES, value);
const isCounts = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= 16 && value.every((n) => Number.isSafeInteger(n) && n >= 0);
