/**
 * Writes ONNX: plain graph objects in, the bytes of a ModelProto out. Only the messages that we use, by the field numbers
 * of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 */
import protobuf from 'protobufjs/minimal.js';

/** Element types in use, with their TensorProto.DataType. */
const ELEMENT_TYPE = { float32: 1, int32: 6, int64: 7, bool: 9 } as const;
export type ElementType = keyof typeof ELEMENT_TYPE;
export const elementType = (type: ElementType): number => ELEMENT_TYPE[type];

/** A node's attribute, by its type. */
export type Attribute =
  | { int: number }
  | { ints: readonly number[] }
  | { float: number }
  | { floats: readonly number[] }
  | { string: string }
  | { strings: readonly string[] }
  | { graph: Graph };

/**
 * One operation. Inputs and outputs are names; an empty input name leaves an optional input out. The default operator set
 * where `domain` is left out.
 */
export type Node = {
  op: string;
  domain?: typeof ML_DOMAIN;
  inputs: readonly string[];
  outputs: readonly string[];
  attributes: Record<string, Attribute>;
};

/** A constant. */
export type Initializer = { name: string; type: ElementType; shape: readonly number[]; bytes: Uint8Array };

/** The type of an input or output; a text in a shape is a dimension known only when the graph runs. */
export type Port = { name: string; type: ElementType; shape: readonly (number | string)[] };

export type Graph = {
  name: string;
  nodes: readonly Node[];
  initializers: readonly Initializer[];
  inputs: readonly Port[];
  outputs: readonly Port[];
};

/** Operators as of this version of the default operator set, and the file version that belongs to it. */
const OPSET = 18;
/** The operator set of classical models, and its version. */
export const ML_DOMAIN = 'ai.onnx.ml';
const ML_OPSET = 3;
const IR_VERSION = 8;

type Write = (writer: protobuf.Writer) => void;

// Wire types of the protobuf encoding.
const VARINT = 0;
const BYTES = 2;
const FIXED32 = 5;
const tag = (field: number, wire: number): number => (field << 3) | wire;

const integer =
  (field: number, value: number): Write =>
  (w) =>
    w.uint32(tag(field, VARINT)).int64(value);
const float =
  (field: number, value: number): Write =>
  (w) =>
    w.uint32(tag(field, FIXED32)).float(value);
const text =
  (field: number, value: string): Write =>
  (w) =>
    w.uint32(tag(field, BYTES)).string(value);
const message =
  (field: number, ...parts: readonly Write[]): Write =>
  (w) => {
    w.uint32(tag(field, BYTES)).fork();
    for (const part of parts) part(w);
    w.ldelim();
  };

/** AttributeProto: `type` (20) says which of the value fields counts. */
function attribute([name, value]: [string, Attribute]): Write {
  if ('int' in value) return message(5, text(1, name), integer(20, 2), integer(3, value.int));
  if ('ints' in value) return message(5, text(1, name), integer(20, 7), ...value.ints.map((i) => integer(8, i)));
  if ('floats' in value) return message(5, text(1, name), integer(20, 6), ...value.floats.map((f) => float(7, f)));
  if ('string' in value) return message(5, text(1, name), integer(20, 3), text(4, value.string));
  if ('strings' in value) return message(5, text(1, name), integer(20, 8), ...value.strings.map((s) => text(9, s)));
  if ('graph' in value) return message(5, text(1, name), integer(20, 5), message(6, ...graphParts(value.graph)));
  return message(5, text(1, name), integer(20, 1), float(2, value.float));
}

const node = (n: Node): Write =>
  message(
    1,
    ...n.inputs.map((name) => text(1, name)),
    ...n.outputs.map((name) => text(2, name)),
    text(4, n.op),
    ...Object.entries(n.attributes).map(attribute),
    ...(n.domain === undefined ? [] : [text(7, n.domain)]),
  );

const initializer = (i: Initializer): Write =>
  message(5, ...i.shape.map((length) => integer(1, length)), integer(2, ELEMENT_TYPE[i.type]), text(8, i.name), (w) =>
    w.uint32(tag(9, BYTES)).bytes(i.bytes),
  );

/** ValueInfoProto → TypeProto → Tensor → TensorShapeProto → Dimension. */
const port = (field: number, p: Port): Write =>
  message(
    field,
    text(1, p.name),
    message(
      2,
      message(
        1,
        integer(1, ELEMENT_TYPE[p.type]),
        message(
          2,
          ...p.shape.map((length) => message(1, typeof length === 'string' ? text(2, length) : integer(1, length))),
        ),
      ),
    ),
  );

const graphParts = (g: Graph): Write[] => [
  ...g.nodes.map(node),
  text(2, g.name),
  ...g.initializers.map(initializer),
  ...g.inputs.map((p) => port(11, p)),
  ...g.outputs.map((p) => port(12, p)),
];

/** The bytes of a model with this main graph. The same graph gives the same bytes. @param metadata free texts, kept in the file */
export function encodeModel(graph: Graph, metadata: Record<string, string> = {}): Uint8Array {
  const writer = protobuf.Writer.create();
  const parts = [
    integer(1, IR_VERSION),
    text(2, 'clove'),
    message(7, ...graphParts(graph)),
    message(8, text(1, ''), integer(2, OPSET)),
    ...(graph.nodes.some(({ domain }) => domain === ML_DOMAIN)
      ? [message(8, text(1, ML_DOMAIN), integer(2, ML_OPSET))]
      : []),
    ...Object.entries(metadata).map(([key, value]) => message(14, text(1, key), text(2, value))),
  ];
  for (const part of parts) part(writer);
  return writer.finish();
}
