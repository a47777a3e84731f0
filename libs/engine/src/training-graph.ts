/**
 * The graphs that training runs, traced from a network and a loss.
 *
 * Epoch graph: a `Loop` over the batches. The loop carries parameters, Adam's moments, statistics and the sum of the
 * losses; one turn gathers a batch, runs forward, loss and gradients, and lets Adam move the parameters. What every turn
 * would compute anew (bias corrections, random numbers) is given per epoch and only looked up.
 */
import * as tf from '@tensorflow/tfjs-core';
import { ADAM_SCALARS, type AdamScalars, type Optimiser, adamStep } from './adam.js';
import { DropoutMasks, checkDropoutRate, maskOf } from './dropout.js';
import { EngineError } from './errors.js';
import { lowered } from './lower.js';
import { type Loss, type Network, type ParamSpec, type Tensors, sizeOf, totalSize } from './network.js';
import { type Port, encodeModel } from './onnx.js';
import { TraceBackend, trace, traceAnyRows } from './trace.js';

/** A value that the loop carries: input `name`, output `name_out`, a flat array. */
export type Carried = { name: 'params' | 'm' | 'v' | 'stats'; length: number };

/** The values of a network that training moves. Without statistics there is nothing to carry for them. */
export function carriedOf(network: Network): Carried[] {
  const length = totalSize(network.params);
  const statistics = totalSize(network.stats);
  return [
    { name: 'params', length },
    { name: 'm', length },
    { name: 'v', length },
    ...(statistics > 0 ? [{ name: 'stats', length: statistics } as const] : []),
  ];
}

/** What a training graph is made from. */
export type StepSpec = Optimiser & { network: Network; loss: Loss; batchSize: number };

/**
 * Traces one training step and wraps it into a loop of any number of steps of `batchSize` rows.
 *
 * Inputs besides the carried values: `steps`; `x` [n, width]; `y` [n, 1]; `order` (int32), the rows, batch by batch;
 * for each step Adam's scalars (see `adamTables`); `loss`, the losses so far; where something is dropped `random` and
 * `generator` (see dropout.ts). Outputs besides them: `loss_out`, the batches' mean losses added; `generator_out`. So an
 * epoch in several runs is the same computation as in one.
 * @returns the graph, and the random numbers that one step reads; 0 where nothing is dropped
 */
export function epochGraph(o: StepSpec): { onnx: Uint8Array; maskLength: number } {
  const { network, batchSize } = o;
  const carried = carriedOf(network);
  const epoch = new TraceBackend(undefined, 'epoch_');
  let maskLength = 0;
  const generator: Port = { name: 'generator', type: 'int64', shape: [] };

  const body = trace((b) => {
    const masks = new DropoutMasks(epoch, b);
    const thisStep = (table: string): tf.Tensor => b.tensor(b.emit('Gather', [table, 'turn']), []);
    const from = b.emit('Mul', [b.emit('Unsqueeze', ['turn', b.ints([0])]), b.ints([batchSize])]);
    const rows = b.emit('Slice', ['order', from, b.emit('Add', [from, b.ints([batchSize])])]);
    const { next, loss } = recordStep(b, o, {
      x: b.tensor(b.emit('Gather', ['x', rows]), [batchSize, network.inputWidth]),
      y: b.tensor(b.emit('Gather', ['y', rows]), [batchSize, 1]),
      scalars: { root_factor: thisStep('root_factor'), root_offset: thisStep('root_offset'), kept: thisStep('kept') },
      dropout: (t, rate) => masks.apply(t, rate),
    });
    maskLength = masks.length;
    return b.graph({
      name: 'step',
      inputs: [
        { name: 'turn', type: 'int64', shape: [] },
        { name: 'go_in', type: 'bool', shape: [] },
        ...carried.map(({ name, length }) => floats(`${name}_in`, length)),
        floats('loss_in'),
        ...(maskLength > 0 ? [{ ...generator, name: 'generator_in' }] : []),
      ],
      outputs: [
        { name: b.emit('Identity', ['go_in']), type: 'bool', shape: [] },
        ...carried.map(({ name, length }) => floats(next[name], length)),
        floats(b.emit('Add', ['loss_in', b.name(loss)])),
        ...(maskLength > 0 ? [{ ...generator, name: masks.next() }] : []),
      ],
    });
  });

  const looped = [
    ...carried.map(({ name, length }) => floats(name, length)),
    floats('loss'),
    ...(maskLength > 0 ? [generator] : []),
  ];
  const after = looped.map((port) => ({ ...port, name: `${port.name}_out` }));
  epoch.append({
    op: 'Loop',
    inputs: ['steps', epoch.constant([1], [], 'bool'), ...looped.map(({ name }) => name)],
    outputs: after.map(({ name }) => name),
    attributes: { body: { graph: body } },
  });
  const graph = epoch.graph({
    name: 'epoch',
    inputs: [
      { name: 'steps', type: 'int64', shape: [] },
      ...looped,
      floats('x', 'rows', network.inputWidth),
      floats('y', 'rows', 1),
      { name: 'order', type: 'int32', shape: ['taken'] },
      ...ADAM_SCALARS.map((name) => floats(name, 'turns')),
      ...(maskLength > 0 ? [floats('random', 'numbers')] : []),
    ],
    outputs: after,
  });
  return { onnx: encodeModel(graph), maskLength };
}

/** Forward, loss, gradients and Adam's step, from the carried values `params_in`, `m_in`, `v_in` and `stats_in`. */
function recordStep(
  b: TraceBackend,
  o: StepSpec,
  given: {
    x: tf.Tensor2D;
    y: tf.Tensor2D;
    scalars: AdamScalars<tf.Tensor>;
    dropout: (x: tf.Tensor, rate: number) => tf.Tensor;
  },
): { next: Record<Carried['name'], string>; loss: tf.Scalar } {
  const { network } = o;
  let stats = '';
  const step = (...params: tf.Tensor[]): tf.Scalar => {
    const forward = network.forward(
      named(network.params, params),
      named(network.stats, unpacked(b, network.stats, 'stats_in')),
      given.x,
      { training: true, dropout: given.dropout },
    );
    if (network.stats.length > 0) stats = b.name(packed(inOrder(network.stats, forward.stats)));
    return scalar(o.loss(forward.output, given.y));
  };
  const { value, grads } = tf.valueAndGrads(step)(unpacked(b, network.params, 'params_in'));

  const [p, m, v] = ['params_in', 'm_in', 'v_in'].map((name) =>
    b.tensor<tf.Rank.R1>(name, [totalSize(network.params)]),
  );
  const moved = adamStep(o, { p: p!, g: packed(grads), m: m!, v: v! }, given.scalars);
  return { next: { params: b.name(moved.p), m: b.name(moved.m), v: b.name(moved.v), stats }, loss: value };
}

/**
 * One training step alone, for devices on which loops and the index arithmetic of `epochGraph` cannot run: what the loop
 * looks up is fed. Inputs besides the carried values (`params_in`, …): `x` [batchSize, width], `y` [batchSize, 1], Adam's
 * scalars (see `adamTables`), and where something is dropped `random`, the uniform numbers of the step. Outputs: the
 * carried values (`params_out`, …) and `loss`, the batch's mean.
 */
export function stepGraph(o: StepSpec): { onnx: Uint8Array; maskLength: number } {
  const { network, batchSize } = o;
  const carried = carriedOf(network);
  let maskLength = 0;
  const graph = trace((b) => {
    const scalarOf = (name: string): tf.Tensor => b.tensor(name, []);
    const { next, loss } = recordStep(b, o, {
      x: b.tensor('x', [batchSize, network.inputWidth]),
      y: b.tensor('y', [batchSize, 1]),
      scalars: { root_factor: scalarOf('root_factor'), root_offset: scalarOf('root_offset'), kept: scalarOf('kept') },
      dropout: (t, rate) => {
        checkDropoutRate(rate);
        if (rate === 0) return t;
        const drawn = b.emit('Slice', ['random', b.ints([maskLength]), b.ints([maskLength + t.size])]);
        maskLength += t.size;
        return tf.mul(t, tf.reshape(maskOf(b.tensor(drawn, [t.size]), rate), t.shape));
      },
    });
    for (const { name } of carried)
      b.append({ op: 'Identity', inputs: [next[name]], outputs: [`${name}_out`], attributes: {} });
    rename(b, loss, 'loss');
    return b.graph({
      name: 'step',
      inputs: [
        ...carried.map(({ name, length }) => floats(`${name}_in`, length)),
        floats('x', batchSize, network.inputWidth),
        floats('y', batchSize, 1),
        ...ADAM_SCALARS.map((name) => floats(name)),
        ...(maskLength > 0 ? [floats('random', maskLength)] : []),
      ],
      outputs: [...carried.map(({ name, length }) => floats(`${name}_out`, length)), floats('loss')],
    });
  });
  return { onnx: encodeModel(lowered(graph)), maskLength };
}

/**
 * Inputs `params`, `stats` (where there are some) and `x` [N, width]; output `output` [N, k], nothing dropped.
 * @param rows fixes N, for devices without the arithmetic on shapes that any number takes
 */
export function predictionGraph(network: Network, rows?: number): Uint8Array {
  return overRows(rows, (b, n) => {
    const output = infer(b, network, n);
    return b.graph({
      name: 'predict',
      inputs: inferenceInputs(network),
      outputs: [floats(rename(b, output, 'output'), 'rows', output.shape[1])],
    });
  });
}

/** As `predictionGraph` with the input `y` [N, 1]; output `loss`, the mean over the rows. */
export function lossGraph(network: Network, loss: Loss, rows?: number): Uint8Array {
  return overRows(rows, (b, n) => {
    const value = scalar(loss(infer(b, network, n), b.tensor('y', [n, 1])));
    return b.graph({
      name: 'loss',
      inputs: [...inferenceInputs(network), floats('y', 'rows', 1)],
      outputs: [floats(rename(b, value, 'loss'))],
    });
  });
}

const overRows = (rows: number | undefined, build: Parameters<typeof traceAnyRows>[1]): Uint8Array =>
  rows === undefined ? traceAnyRows('x', build) : encodeModel(lowered(trace((b) => build(b, rows))));

function infer(b: TraceBackend, network: Network, rows: number): tf.Tensor2D {
  const { output } = network.forward(
    named(network.params, unpacked(b, network.params, 'params')),
    named(network.stats, unpacked(b, network.stats, 'stats')),
    b.tensor('x', [rows, network.inputWidth]),
    { training: false, dropout: (x) => x },
  );
  return output;
}

const inferenceInputs = (network: Network): Port[] => [
  ...carriedOf(network)
    .filter(({ name }) => name === 'params' || name === 'stats')
    .map(({ name, length }) => floats(name, length)),
  floats('x', 'rows', network.inputWidth),
];

/** A float32 port. */
export const floats = (name: string, ...shape: (number | string)[]): Port => ({ name, type: 'float32', shape });

/** Gives a tensor's value the name that callers know. */
export function rename(b: TraceBackend, tensor: tf.Tensor, name: string): string {
  b.append({ op: 'Identity', inputs: [b.name(tensor)], outputs: [name], attributes: {} });
  return name;
}

/** Tensors by name, from a list in the order of the specs. */
export const named = (specs: readonly ParamSpec[], tensors: readonly tf.Tensor[]): Tensors =>
  Object.fromEntries(specs.map((spec, i) => [spec.name, tensors[i]!]));

/** The other way round; says which is missing. */
export function inOrder(specs: readonly ParamSpec[], tensors: Tensors): tf.Tensor[] {
  return specs.map(({ name }) => {
    const tensor = tensors[name];
    if (tensor === undefined)
      throw new EngineError('invalid-network', `forward returned no statistic "${name}" while training.`);
    return tensor;
  });
}

/** Cuts a flat value into the tensors of a list. */
function unpacked(b: TraceBackend, specs: readonly ParamSpec[], flat: string): tf.Tensor[] {
  const sizes = specs.map((spec) => sizeOf(spec.shape));
  const parts =
    specs.length > 1 ? b.emitMany('Split', [flat, b.ints(sizes)], { axis: { int: 0 } }, specs.length) : [flat];
  return specs.map((spec, i) => b.tensor(b.reshape(parts[i]!, [sizes[i]!], spec.shape), spec.shape));
}

/** Lays tensors out one after the other. */
const packed = (tensors: tf.Tensor[]): tf.Tensor1D => tf.concat1d(tensors.map((tensor) => tf.reshape(tensor, [-1])));

export function scalar(loss: tf.Scalar): tf.Scalar {
  if (loss.size === 1) return tf.reshape(loss, []);
  throw new EngineError(
    'invalid-network',
    `A loss must be one number, the mean over rows; this one has the shape [${loss.shape.join(', ')}].`,
  );
}
