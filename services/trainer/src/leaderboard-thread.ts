/** Script of the worker thread in which a leaderboard runs; started by `leaderboard-handler.ts` only. */
import { serveThread } from '@clove/runtime';
import {
  type LeaderboardInput,
  type LeaderboardMessage,
  type LeaderboardResult,
  runLeaderboard,
} from './leaderboard.js';
import { writeModelCard } from './model-card.js';

serveThread<
  LeaderboardInput & { modelName: string | null },
  LeaderboardMessage,
  LeaderboardResult & { cardError: string | null }
>(async (input, io) => {
  const made = await runLeaderboard(input, io);
  if (made.winner === null || input.modelName === null) return { ...made, cardError: null };
  const about = { ...made.winner, profile: input.profile, leaderboard: made.report };
  return { ...made, cardError: await writeModelCard(input.outDir, input.modelName, about) };
});
