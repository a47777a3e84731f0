/**
 * The engine of Clove: tensor programs written with tfjs ops, differentiated by tfjs, traced to ONNX and run natively.
 * `run()` of onnxruntime-node blocks its thread: call all of this from a worker thread where others wait.
 * @packageDocumentation
 */
export { EngineError, type EngineErrorCode } from './errors.js';
export { BACKENDS, type BackendReport, compileTraining, probeBackends } from './backends.js';
export { type Backend, type Executor, type TrainingSpec } from './executor.js';
export { exportOnnx } from './export.js';
export { type OnnxContents, SCORING_OPERATORS, inspectOnnx, withMetadata } from './inspect.js';
export { mapRows } from './map-rows.js';
export {
  type ForwardContext,
  type Init,
  type Loss,
  type Network,
  type ParamSpec,
  type TrainState,
  type Tensors,
  initialState,
} from './network.js';
export { batchNorm, batchNormAffine } from './layers.js';
export { type SafeTensor, decodeSafetensors, encodeSafetensors } from './safetensors.js';
export { type Scorer, createScorer } from './scorer.js';
export { type TreeEnsemble, treesOnnx } from './trees.js';
