/** Script of the worker thread in which predictions and evaluations run; started by `handlers.ts` only. */
import { serveThread } from '@clove/runtime';
import { type EvaluateInput, evaluateModel } from './evaluate-model.js';
import { type PredictInput, type ScoreMessage, predictDataset } from './predict-dataset.js';

export type ScoreTask = { type: 'predict'; input: PredictInput } | { type: 'evaluate'; input: EvaluateInput };

serveThread<ScoreTask, ScoreMessage, unknown>((task, io) =>
  task.type === 'predict' ? predictDataset(task.input, io) : evaluateModel(task.input, io),
);
