/** Graphs in the operations that a GPU provider has: what onnxruntime's WebGPU provider lacks, said in others. */
import { type Graph, type Initializer, type Node, elementType } from './onnx.js';

/** A shader may bind 8 buffers on every device that WebGPU runs on; a split binds its input and each output. */
const MOST_PARTS = 7;

/** The same graph without `Or`, `Sign` and splits into many parts. */
export function lowered(graph: Graph): Graph {
  const constants = new Map(graph.initializers.map((constant) => [constant.name, constant]));
  const nodes = graph.nodes.flatMap((one) => {
    if (one.op === 'Or') return or(one);
    if (one.op === 'Sign') return sign(one, constants);
    return one.op === 'Split' && one.outputs.length > MOST_PARTS ? slices(one, constants) : [one];
  });
  return { ...graph, nodes, initializers: [...constants.values()] };
}

type Constants = Map<string, Initializer>;

const node = (op: string, inputs: string[], output: string, attributes: Node['attributes'] = {}): Node => ({
  op,
  inputs,
  outputs: [output],
  attributes,
});

/** a or b = not (not a and not b). */
const or = ({ inputs: [a, b], outputs: [out] }: Node): Node[] => [
  node('Not', [a!], `${out}_a`),
  node('Not', [b!], `${out}_b`),
  node('And', [`${out}_a`, `${out}_b`], `${out}_neither`),
  node('Not', [`${out}_neither`], out!),
];

/** sign x = (x > 0) - (x < 0). */
const sign = ({ inputs: [x], outputs: [out] }: Node, constants: Constants): Node[] => {
  const float = { to: { int: elementType('float32') } };
  const zero = 'lowered_zero';
  constants.set(zero, { name: zero, type: 'float32', shape: [], bytes: new Uint8Array(4) });
  return [
    node('Greater', [x!, zero], `${out}_above`),
    node('Less', [x!, zero], `${out}_below`),
    node('Cast', [`${out}_above`], `${out}_plus`, float),
    node('Cast', [`${out}_below`], `${out}_minus`, float),
    node('Sub', [`${out}_plus`, `${out}_minus`], out!),
  ];
};

/** A slice for each part; the lengths of the parts are a constant. */
const slices = (split: Node, constants: Constants): Node[] => {
  const [x, lengths] = split.inputs as [string, string];
  const { bytes } = constants.get(lengths)!;
  const axis = split.attributes['axis'];
  const whole = (value: number): string => {
    const name = `lowered_${value}`;
    const int64 = new Uint8Array(BigInt64Array.of(BigInt(value)).buffer);
    constants.set(name, { name, type: 'int64', shape: [1], bytes: int64 });
    return name;
  };
  const along = whole(axis !== undefined && 'int' in axis ? axis.int : 0);
  let from = 0;
  return Array.from(new BigInt64Array(bytes.slice().buffer), (length, i) => {
    const to = from + Number(length);
    const slice = node('Slice', [x, whole(from), whole(to), along], split.outputs[i]!);
    from = to;
    return slice;
  });
};
