import protobuf from 'protobufjs/minimal.js';
import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { exportOnnx } from './export.js';
import { SCORING_OPERATORS, inspectOnnx, withMetadata } from './inspect.js';
import { type Network, initialState } from './network.js';
import { type Attribute, type Graph, encodeModel } from './onnx.js';
import { createScorer } from './scorer.js';
import { treesOnnx } from './trees.js';

const network: Network = {
  name: 'one layer',
  inputWidth: 2,
  params: [{ name: 'w', shape: [2, 1], init: { type: 'uniform', bound: 1 } }],
  stats: [],
  forward: (p, _, x) => ({ output: tf.sigmoid(tf.matMul(x, p['w']!)), stats: {} }),
};
const exported = () =>
  exportOnnx({
    network,
    ...initialState(network, () => 0.7),
    inputWidth: 2,
    before: (raw) => tf.where(tf.isNaN(raw), tf.zerosLike(raw), raw) as tf.Tensor2D,
    after: (output) => tf.mul(output, 10),
    metadata: { 'clove.type': 'feedforward' },
  });

const graph = (node: Partial<Graph['nodes'][number]>): Graph => ({
  name: 'g',
  nodes: [{ op: 'Relu', inputs: ['features'], outputs: ['prediction'], attributes: {}, ...node }],
  initializers: [],
  inputs: [{ name: 'features', type: 'float32', shape: ['N', 2] }],
  outputs: [{ name: 'prediction', type: 'float32', shape: ['N', 2] }],
});
const withAttribute = (attribute: Attribute) =>
  encodeModel(graph({ op: 'If', attributes: { then_branch: attribute } }));

/** A graph with one tensor whose numbers lie in another file: TensorProto.external_data (13) and data_location (14). */
const external = (): Uint8Array => {
  const writer = protobuf.Writer.create();
  writer.uint32((7 << 3) | 2).fork(); // graph
  writer.uint32((5 << 3) | 2).fork(); // initializer
  writer.uint32((13 << 3) | 2).fork();
  writer.uint32((1 << 3) | 2).string('location');
  writer.uint32((2 << 3) | 2).string('../../etc/passwd');
  writer.ldelim();
  writer.uint32((14 << 3) | 0).int32(1);
  return writer.ldelim().ldelim().finish();
};

describe('what an ONNX file is made of', () => {
  test('exports name their operators, inputs and texts, and hold nothing else', () => {
    const contents = inspectOnnx(exported());
    expect(contents).toMatchObject({
      inputs: ['features'],
      externalData: false,
      nested: false,
      metadata: { 'clove.type': 'feedforward' },
    });
    expect(contents.operators).toEqual(expect.arrayContaining(['MatMul', 'Sigmoid', 'IsNaN', 'Where']));
    expect(contents.operators.filter((operator) => !SCORING_OPERATORS.has(operator))).toEqual([]);
    const tree = { feature: [-1], threshold: [0], missingLeft: [0], left: [0], right: [0], value: [2] };
    const trees = inspectOnnx(treesOnnx({ loss: 'poisson', base: 1, features: 2, trees: [tree] }));
    expect(trees.operators).toContain('ai.onnx.ml.TreeEnsembleRegressor');
    expect(trees.operators.filter((operator) => !SCORING_OPERATORS.has(operator))).toEqual([]);
  });

  test('tensors in other files, graphs within graphs and unknown operators are seen', () => {
    expect(inspectOnnx(external()).externalData).toBe(true);
    expect(inspectOnnx(withAttribute({ graph: graph({}) }))).toMatchObject({ nested: true, operators: ['If'] });
    expect(inspectOnnx(encodeModel(graph({ op: 'Evil' }))).operators).toEqual(['Evil']);
    expect(SCORING_OPERATORS.has('Loop') || SCORING_OPERATORS.has('If') || SCORING_OPERATORS.has('Scan')).toBe(false);
  });

  test('what is no ONNX file is refused', () => {
    for (const bytes of [new Uint8Array(), new TextEncoder().encode('hello world'), exported().slice(0, 100)]) {
      expect(() => inspectOnnx(bytes)).toThrow(expect.objectContaining({ code: 'invalid-file' }) as Error);
    }
    const two = exported();
    expect(() => inspectOnnx(Uint8Array.from([...two, ...two]))).toThrow('one graph, not 2');
  });

  test('a text can be added; the model stays what it was', async () => {
    const long = JSON.stringify({ text: 'é'.repeat(300) });
    const described = withMetadata(exported(), 'clove.manifest', long);
    expect(inspectOnnx(described).metadata).toEqual({ 'clove.type': 'feedforward', 'clove.manifest': long });
    const x = Float32Array.from([1, 2, Number.NaN, 4]);
    const [before, after] = await Promise.all([createScorer(exported()), createScorer(described)]);
    expect(await after.predict(x, 2)).toEqual(await before.predict(x, 2));
    await Promise.all([before.release(), after.release()]);
  });
});
