/**
 * What a model is to the engine: named parameters in one flat array and a pure forward function of tfjs ops.
 *
 * - parameter: a trained tensor. Adam updates it.
 * - statistic: a tensor that forward itself updates while training (batch norm's running mean and variance).
 * - state: everything that training changes; a checkpoint is a state.
 */
import type * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';

/** How a tensor starts. `uniform` draws from [-bound, bound). */
export type Init = { type: 'zeros' } | { type: 'ones' } | { type: 'uniform'; bound: number };

/** A named tensor of a network. Its place in the flat array follows from its place in the list. */
export type ParamSpec = { name: string; shape: number[]; init: Init };

/** Tensors by name. */
export type Tensors = Record<string, tf.Tensor>;

/** What forward may ask of the engine. */
export interface ForwardContext {
  /** True in a training step: batch norm uses the batch, dropout drops. */
  readonly training: boolean;
  /** Zeroes each element with probability `rate` (0 to below 1) and scales the rest by 1/(1 - rate); x itself when not training. */
  dropout(x: tf.Tensor, rate: number): tf.Tensor;
}

/**
 * A network: pure, of tfjs ops only, so that it can be traced. It must not read values (`dataSync`) nor let the number
 * of rows flow into a constant when not training: the scoring graph takes any number of rows.
 */
export interface Network {
  /** Shown in messages and stored in exported graphs. */
  readonly name: string;
  /** Columns of `x`. */
  readonly inputWidth: number;
  readonly params: readonly ParamSpec[];
  readonly stats: readonly ParamSpec[];
  /** @returns output [rows, k], and the updated statistics when training (ignored otherwise). */
  forward(
    params: Tensors,
    stats: Tensors,
    x: tf.Tensor2D,
    context: ForwardContext,
  ): { output: tf.Tensor2D; stats: Tensors };
}

/** The mean over rows of each row's loss. Target is [rows, 1]. */
export type Loss = (output: tf.Tensor2D, target: tf.Tensor2D) => tf.Scalar;

/**
 * Everything that training changes, ready for a checkpoint. `m` and `v` are Adam's first and second moments, in the order
 * of `params`, before bias correction and without their factors: m/(1 - β1) and v/(1 - β2) of the paper. `step` counts the
 * optimiser steps taken.
 */
export type TrainState = {
  params: Float32Array;
  m: Float32Array;
  v: Float32Array;
  stats: Float32Array;
  step: number;
};

/** Number of elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((product, length) => product * length, 1);

/** Number of elements of all tensors of a list: the length of its flat array. */
export const totalSize = (specs: readonly ParamSpec[]): number =>
  specs.reduce((sum, spec) => sum + sizeOf(spec.shape), 0);

/** Splits a flat array into one view a tensor, in the order of the list. */
export function viewsOf(specs: readonly ParamSpec[], flat: Float32Array): { spec: ParamSpec; values: Float32Array }[] {
  if (flat.length !== totalSize(specs)) {
    throw new EngineError(
      'size-mismatch',
      `The network has ${totalSize(specs)} numbers in ${specs.length} tensors, the array holds ${flat.length}. ` +
        'Use a state that was made for this network.',
    );
  }
  let offset = 0;
  return specs.map((spec) => {
    const values = flat.subarray(offset, offset + sizeOf(spec.shape));
    offset += values.length;
    return { spec, values };
  });
}

/** A fresh state. @param uniform draws from [0, 1); the only source of chance, called once a uniform parameter in order. */
export function initialState(network: Network, uniform: () => number): TrainState {
  const start = (specs: readonly ParamSpec[]): Float32Array => {
    const flat = new Float32Array(totalSize(specs));
    for (const { spec, values } of viewsOf(specs, flat)) {
      const { init } = spec;
      if (init.type === 'ones') values.fill(1);
      if (init.type === 'uniform')
        for (let i = 0; i < values.length; i += 1) values[i] = (2 * uniform() - 1) * init.bound;
    }
    return flat;
  };
  const params = start(network.params);
  return {
    params,
    m: new Float32Array(params.length),
    v: new Float32Array(params.length),
    stats: start(network.stats),
    step: 0,
  };
}
