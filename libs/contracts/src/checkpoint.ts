import { z } from 'zod';
import { Epoch, TrainingOptions } from './run.js';

const generator = z.object({
  words: z.tuple([z.int(), z.int(), z.int(), z.int()]),
  spare: z.number().nullable(),
});

/** How far a training has come, beside the tensors of its states: what decides how it goes on. */
export const TrainingProgress = z.object({
  fingerprint: z.string().describe('of the network, the options and the data: it goes on with the same only'),
  epochs: z.array(Epoch).min(1),
  step: z.number().int().describe('steps of the optimiser'),
  best: z.object({ epoch: z.number().int(), loss: z.number(), step: z.number().int() }),
  schedule: z.object({ current: z.number(), best: z.number(), badEpochs: z.number().int() }),
  order: generator.describe('generator of the orders of the rows'),
  dropout: generator.describe('generator of the dropout seeds'),
});
export type TrainingProgress = z.infer<typeof TrainingProgress>;

/**
 * Metadata `clove` of the checkpoint of a training job: a safetensors file with, for each network that it has begun to train,
 * the tensors `NAME/params`, `NAME/m`, `NAME/v`, `NAME/stats` and, of the best epoch so far, `NAME/best.params`, ….
 */
export const Checkpoint = z.object({
  format: z.literal(1),
  options: TrainingOptions.describe('of the run'),
  trainings: z.record(z.string(), TrainingProgress),
});
export type Checkpoint = z.infer<typeof Checkpoint>;
