/**
 * The scorer: applies a model folder to data. The cores need no queue, registry or server.
 * @packageDocumentation
 */
export { type EvaluateInput, evaluateModel } from './evaluate-model.js';
export { type Lanes, openLanes } from './lanes.js';
export { openModelFolder } from './model.js';
export {
  type PredictCsvInput,
  type PredictInput,
  type PredictionResult,
  type ScoreIo,
  type ScoreMessage,
  predictCsv,
  predictDataset,
} from './predict-dataset.js';
export { scoreRows } from './score-rows.js';
