/** What the engine's tests share: tracing a single function and running it, and the eager backend to compare with. */
import { version_cpu } from '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { registerGradients } from './gradients.js';
import { sizeOf } from './network.js';
import { encodeModel } from './onnx.js';
import { openSession } from './session.js';
import { trace } from './trace.js';
import { floats } from './training-graph.js';

/** A float32 argument of a function under test. */
export type Argument = { shape: number[]; values: Float32Array };
export type TestFunction = (...inputs: tf.Tensor[]) => tf.Tensor;

// The CPU backend greets with an advertisement otherwise.
tf.env().set('IS_NODE', false);
if (version_cpu !== tf.version_core) throw new Error('The CPU backend must be of the same release as tfjs-core.');
await tf.setBackend('cpu');
registerGradients();

/** Values of f, computed by tfjs op by op. */
export const runEagerly = (f: TestFunction, inputs: Argument[]): Float32Array =>
  tf.tidy(() =>
    Float32Array.from(tf.cast(f(...inputs.map((i) => tf.tensor(i.values, i.shape))), 'float32').dataSync()),
  );

/** Values of f, traced and computed by onnxruntime. */
export async function runTraced(f: TestFunction, inputs: Argument[]): Promise<Float32Array> {
  const onnx = trace((b) => {
    const output = tf.cast(f(...inputs.map((input, i) => b.tensor(`in${i}`, input.shape))), 'float32');
    return encodeModel(
      b.graph({
        name: 'test',
        inputs: inputs.map((input, i) => floats(`in${i}`, ...input.shape)),
        outputs: [floats(b.emit('Identity', [b.name(output)]), ...output.shape)],
      }),
    );
  });
  const session = await openSession(onnx, 1);
  const outputs = await session.run(
    Object.fromEntries(inputs.map(({ values, shape }, i) => [`in${i}`, { values, shape }])),
  );
  await session.release();
  return Object.values(outputs)[0]!;
}

/** Numbers in (-1.5, 1.5) without a pattern, never near a kink of a function; the same ones each time. */
export function argument(...shape: number[]): Argument {
  const salt = shape.reduce((sum, length) => sum * 31 + length, 7);
  const values = Float32Array.from({ length: sizeOf(shape) }, (_, i) => {
    const u = (Math.sin((i + 1) * 12.9898 + salt) * 43758.5453) % 1;
    return Math.sign(u) * (0.1 + 1.4 * Math.abs(u));
  });
  return { shape, values };
}

/** The same numbers made positive. */
export function positive(...shape: number[]): Argument {
  const { values } = argument(...shape);
  return { shape, values: values.map((x) => Math.abs(x) + 0.2) };
}

/** Given numbers as a vector. */
export const vector = (...values: number[]): Argument => ({
  shape: [values.length],
  values: Float32Array.from(values),
});
