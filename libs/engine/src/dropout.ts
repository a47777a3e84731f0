/**
 * Dropout masks that follow from a seed, and cost a copy each.
 *
 * There is one long table of uniform numbers, the same for every training. A generator decides from which place on a step
 * reads its masks off it. Its state travels through the training loop beside the parameters: started with the seed of an
 * epoch, it moves on once a step, so that the masks do not depend on how an epoch is cut into runs. One step's masks are
 * independent draws; two steps may share numbers, but for other units of other rows.
 *
 * The generator is Lehmer's with the constants of Park & Miller (1993): s ← 48271·s mod (2³¹ - 1), exact in int64 and in
 * double precision alike.
 */
import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { elementType } from './onnx.js';
import type { TraceBackend } from './trace.js';

const MULTIPLIER = 48_271;
const MODULUS = 2_147_483_647;
/** Places in the table where a step may start reading. */
const STARTS = 2 ** 18;

/** The generator's state before the first step. @param seed any 32 bits; neighbours give unlike states */
export const firstState = (seed: number): number => 1 + (uint32s(seed)() % (MODULUS - 1));
/** The state of the next step, from that of the one before. */
export const nextState = (state: number): number => (state * MULTIPLIER) % MODULUS;
/** Where the step of a state starts reading. */
export const startOf = (state: number): number => state % STARTS;

/** Records the masks of a step while it is traced. */
export class DropoutMasks {
  /** Random numbers that one step reads. */
  length = 0;

  /**
   * @param epoch records the graph around the loop, where masks are made of the table, its input `random`
   * @param step records the step; its input `generator_in` is the generator's state
   */
  constructor(
    private readonly epoch: TraceBackend,
    private readonly step: TraceBackend,
  ) {}

  /** The generator's state after this step. */
  next(): string {
    const { step } = this;
    const constant = (value: number): string => step.constant([value], [], 'int64');
    return step.emit('Mod', [step.emit('Mul', ['generator_in', constant(MULTIPLIER)]), constant(MODULUS)]);
  }

  /** x with the next mask applied. */
  apply(x: tf.Tensor, rate: number): tf.Tensor {
    checkDropoutRate(rate);
    if (rate === 0) return x;
    const { step } = this;
    const begin = this.length;
    this.length += x.size;
    const place = step.emit('Mod', [this.next(), step.constant([STARTS], [], 'int64')]);
    const start = step.emit('Unsqueeze', [place, step.ints([0])]);
    const [from, to] = [begin, this.length].map((at) => step.emit('Add', [start, step.ints([at])]));
    const mask = step.emit('Slice', [this.masks(rate), from!, to!]);
    return tf.mul(x, step.tensor(step.reshape(mask, [x.size], x.shape), x.shape));
  }

  /** 0 where a number of the table is below the rate, else 1/(1 - rate). */
  private masks(rate: number): string {
    const kept = this.epoch.emit('GreaterOrEqual', ['random', this.epoch.constant([rate], [])]);
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

let table = new Float32Array();

/** The table, long enough for steps that read so many numbers; those that it begins with are always the same. */
export function randomTable(maskLength: number): Float32Array {
  const length = STARTS + maskLength;
  if (table.length < length) {
    const next = uint32s(0);
    table = Float32Array.from({ length }, () => (next() >>> 8) / 2 ** 24);
  }
  return table.subarray(0, length);
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
