/** Script of the worker thread in which a training runs; started by `handler.ts` only. */
import { serveThread } from '@clove/runtime';
import { writeModelCard } from './model-card.js';
import { type TrainInput, type TrainMessage, trainModel } from './train-model.js';

type Made = Awaited<ReturnType<typeof trainModel>> & { cardError: string | null };

serveThread<TrainInput & { modelName: string }, TrainMessage, Made>(async (input, io) => {
  const made = await trainModel(input, io);
  io.post({ type: 'progress', fraction: 0.99, stage: 'writing the report' });
  const about = { ...made, profile: input.profile, leaderboard: null };
  return { ...made, cardError: await writeModelCard(input.outDir, input.modelName, about) };
});
