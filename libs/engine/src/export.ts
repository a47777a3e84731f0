import * as tf from '@tensorflow/tfjs-core';
import { EngineError } from './errors.js';
import { type Network, type ParamSpec, type Tensors, viewsOf } from './network.js';
import { traceAnyRows } from './trace.js';
import { floats, named, rename } from './training-graph.js';

/** Names of the input and the output of an exported graph. */
export const FEATURES = 'features';
export const PREDICTION = 'prediction';

/**
 * The whole way from raw features to a prediction as a standard ONNX file: input `features` [N, inputWidth], output
 * `prediction` [N, k], any number of rows. The same arguments give the same bytes.
 * @param o.params,o.stats of a `TrainState` of this network
 * @param o.inputWidth columns of the raw features, before `before`
 * @param o.before raw features to the network's inputs (imputation, scaling), as tfjs ops
 * @param o.after the network's output to the predictions [N, k], k at least 1, as tfjs ops
 * @param o.metadata texts that travel in the file
 * @throws EngineError `unsupported-op`, `invalid-network`, or `size-mismatch` where arrays and network do not fit
 */
export function exportOnnx(o: {
  network: Network;
  params: Float32Array;
  stats: Float32Array;
  inputWidth: number;
  before: (raw: tf.Tensor2D) => tf.Tensor2D;
  after: (output: tf.Tensor2D) => tf.Tensor2D;
  metadata?: Record<string, string>;
}): Uint8Array {
  const { network } = o;
  const record: Parameters<typeof traceAnyRows>[1] = (b, rows) => {
    const x = o.before(b.tensor(FEATURES, [rows, o.inputWidth]));
    expectShape('`before`', x, [rows, network.inputWidth]);
    const { output } = network.forward(constants(network.params, o.params), constants(network.stats, o.stats), x, {
      training: false,
      dropout: (t) => t,
    });
    const prediction = o.after(output);
    const width = Math.max(1, prediction.shape[1]);
    expectShape('`after`', prediction, [rows, width]);
    return b.graph({
      name: network.name,
      inputs: [floats(FEATURES, 'N', o.inputWidth)],
      outputs: [floats(rename(b, prediction, PREDICTION), 'N', width)],
    });
  };
  return traceAnyRows(FEATURES, record, o.metadata);
}

const constants = (specs: readonly ParamSpec[], flat: Float32Array): Tensors =>
  named(
    specs,
    viewsOf(specs, flat).map(({ spec, values }) => tf.tensor(values, spec.shape)),
  );

function expectShape(who: string, t: tf.Tensor, [rows, width]: [number, number]): void {
  if (t.shape.length === 2 && t.shape[0] === rows && t.shape[1] === width) return;
  const shape = t.shape.map((length) => (length === rows ? 'N' : length)).join(', ');
  throw new EngineError('size-mismatch', `${who} gave the shape [${shape}] where [N, ${width}] is needed.`);
}
