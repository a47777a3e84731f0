/**
 * Dropout masks of an epoch that follow from one seed, and cost a copy each.
 *
 * An epoch gets a pool of uniform numbers. The graph turns it into masks once an epoch, and every step reads its masks off
 * the pool from a random place on. One step's masks are independent draws; two steps of an epoch may share numbers, but
 * for other units of other rows.
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { elementType } from './onnx.js';
import type { TraceBackend } from './trace.js';

/** Places in the pool where a step may start reading. */
const STARTS = 2 ** 18;

/** Records the masks of a step while it is traced. */
export class DropoutMasks {
  /** Random numbers that one step reads. */
  length = 0;

  /** @param epoch records the graph around the loop, where pools are made */
  constructor(private readonly epoch: TraceBackend) {}

  /** x with the next mask applied. @param b records the step */
  apply(b: TraceBackend, x: tf.Tensor, rate: number): tf.Tensor {
    checkDropoutRate(rate);
    if (rate === 0) return x;
    const begin = this.length;
    this.length += x.size;
    const start = b.emit('Unsqueeze', [b.emit('Gather', ['start', 'turn']), b.ints([0])]);
    const [from, to] = [begin, this.length].map((at) => b.emit('Add', [start, b.ints([at])]));
    const mask = b.emit('Slice', [this.pool(rate), from!, to!]);
    return tf.mul(x, b.tensor(b.reshape(mask, [x.size], x.shape), x.shape));
  }

  /** 0 where a number of the pool is below the rate, else 1/(1 - rate). */
  private pool(rate: number): string {
    const kept = this.epoch.emit('GreaterOrEqual', ['pool', this.epoch.constant([rate], [])]);
    const ones = this.epoch.emit('Cast', [kept], { to: { int: elementType('float32') } });
    return this.epoch.emit('Mul', [ones, this.epoch.constant([1 / (1 - rate)], [])]);
  }
}

/** @throws EngineError `invalid-network` */
export function checkDropoutRate(rate: number): void {
  if (!(rate >= 0 && rate < 1)) {
    throw new EngineError('invalid-network', `A dropout rate must be 0 to below 1; it is ${rate}.`);
  }
}

/** The mask that uniform numbers give, as tfjs ops: 0 where one is below the rate, else 1/(1 - rate). */
export const maskOf = (random: tf.Tensor, rate: number): tf.Tensor =>
  tf.mul(tf.cast(tf.greaterEqual(random, rate), 'float32'), 1 / (1 - rate));

/** The pool of an epoch and the place where each step starts reading. @param maskLength numbers that one step reads */
export function dropoutPool(
  seed: number,
  maskLength: number,
  steps: number,
): { pool: Float32Array; start: BigInt64Array } {
  const next = uint32s(seed);
  const start = BigInt64Array.from({ length: steps }, () => BigInt(next() % STARTS));
  const pool = new Float32Array(STARTS + maskLength);
  for (let i = 0; i < pool.length; i += 1) pool[i] = (next() >>> 8) / 2 ** 24;
  return { pool, start };
}

/** splitmix32: a Weyl sequence through a bit mixer; every seed starts a full period of 2^32. */
function uint32s(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
}
