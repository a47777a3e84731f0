/** Reads what an ONNX file is made of, without running it: only the fields that decide whether it may be run. */
import protobuf from 'protobufjs/minimal.js';
import { EngineError } from './errors.js';
import { ML_DOMAIN } from './onnx.js';

/** What `inspectOnnx` finds. */
export type OnnxContents = {
  /** operators in use, each once, sorted; with their domain where that is not the default one */
  operators: string[];
  /** names of the graph's inputs, in order */
  inputs: string[];
  /** tensors whose numbers lie in another file */
  externalData: boolean;
  /** loops, branches, functions or training information: more than one plain graph */
  nested: boolean;
  /** texts that travel in the file */
  metadata: Record<string, string>;
};

/**
 * Operators that `exportOnnx` and `treesOnnx` write. All of them compute an output of known size from their inputs and do
 * nothing else; a file with any other one is none of ours.
 */
export const SCORING_OPERATORS: ReadonlySet<string> = new Set([
  ...(
    'Abs Add And Cast Ceil Clip Concat Div Elu Equal Erf Exp Expand Floor Gather Gemm Greater ' +
    'GreaterOrEqual HardSigmoid Identity IsInf IsNaN LeakyRelu Less LessOrEqual Log MatMul Max Min Mul ' +
    'Neg Not Or Pad Pow Reciprocal ReduceMax ReduceMean ReduceMin ReduceSum Relu Reshape Round Shape ' +
    'Sigmoid Sign Slice Softmax Softplus Split Sqrt Sub Tanh Tile Transpose Unsqueeze Where'
  ).split(' '),
  `${ML_DOMAIN}.TreeEnsembleRegressor`,
]);

type Visit = (field: number, reader: protobuf.Reader) => boolean;

/** Reads the fields of one message; `visit` says whether it took a field, the others are skipped. */
function fields(reader: protobuf.Reader, end: number, visit: Visit): void {
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (!visit(tag >>> 3, reader)) reader.skipType(tag & 7);
  }
}
const message = (reader: protobuf.Reader, visit: Visit): true => {
  const end = reader.uint32() + reader.pos;
  fields(reader, end, visit);
  return true;
};

/**
 * What an ONNX file is made of. Field numbers as in https://github.com/onnx/onnx/blob/main/onnx/onnx.proto.
 * @throws EngineError `invalid-file` where the bytes are no ONNX file with one graph
 */
export function inspectOnnx(onnx: Uint8Array): OnnxContents {
  const operators = new Set<string>();
  const contents: OnnxContents = { operators: [], inputs: [], externalData: false, nested: false, metadata: {} };
  let graphs = 0;
  const tensor: Visit = (field, reader) => {
    // external_data, and data_location EXTERNAL
    if (field === 13) contents.externalData = true;
    if (field !== 14) return false;
    if (reader.int32() === 1) contents.externalData = true;
    return true;
  };
  const attribute: Visit = (field, reader) => {
    if (field === 5 || field === 10) return message(reader, tensor);
    if (field === 22 || field === 23) contents.nested = true; // sparse tensors
    if (field === 6 || field === 11) contents.nested = true;
    return false;
  };
  const node: Visit = (() => {
    let name = '';
    let domain = '';
    return (field, reader) => {
      if (field === 5) return message(reader, attribute);
      if (field === 0) {
        operators.add(domain === '' || domain === 'ai.onnx' ? name : `${domain}.${name}`);
        [name, domain] = ['', ''];
        return true;
      }
      if (field !== 4 && field !== 7) return false;
      if (field === 4) name = reader.string();
      else domain = reader.string();
      return true;
    };
  })();
  const graph: Visit = (field, reader) => {
    if (field === 1) {
      message(reader, node);
      return node(0, reader);
    }
    if (field === 5) return message(reader, tensor);
    if (field === 15) contents.nested = true; // sparse initializers
    if (field !== 11) return false;
    return message(reader, (part, inner) => {
      if (part !== 1) return false;
      contents.inputs.push(inner.string());
      return true;
    });
  };
  const model: Visit = (field, reader) => {
    if (field === 7) {
      graphs += 1;
      return message(reader, graph);
    }
    if (field === 20 || field === 25) contents.nested = true; // training information, functions
    if (field !== 14) return false;
    let [key, value] = ['', ''];
    message(reader, (part, inner) => {
      if (part !== 1 && part !== 2) return false;
      if (part === 1) key = inner.string();
      else value = inner.string();
      return true;
    });
    contents.metadata[key] = value;
    return true;
  };
  try {
    const reader = protobuf.Reader.create(onnx);
    fields(reader, onnx.length, model);
  } catch (error) {
    throw new EngineError('invalid-file', 'The bytes are no ONNX file.', error);
  }
  if (graphs !== 1) throw new EngineError('invalid-file', `An ONNX file has one graph, not ${graphs}.`);
  return { ...contents, operators: [...operators].toSorted() };
}

/** The same model with one more text in it. Fields of a protobuf message may follow each other in any order. */
export function withMetadata(onnx: Uint8Array, key: string, value: string): Uint8Array {
  const writer = protobuf.Writer.create();
  writer.uint32((14 << 3) | 2).fork();
  writer.uint32((1 << 3) | 2).string(key);
  writer.uint32((2 << 3) | 2).string(value);
  const text = writer.ldelim().finish();
  const joined = new Uint8Array(onnx.length + text.length);
  joined.set(onnx);
  joined.set(text, onnx.length);
  return joined;
}
