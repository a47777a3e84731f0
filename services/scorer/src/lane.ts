/** Script of the threads in which predictions and evaluations are computed; started by `lanes.ts` only. */
import { serveThread } from '@clove/runtime';
import { type LaneTasks, laneTasks } from './lanes.js';
import type { ScoreMessage } from './predict-dataset.js';

serveThread<{ task: keyof LaneTasks; input: never }, ScoreMessage, unknown>(({ task, input }, io) =>
  laneTasks[task](input, io),
);
