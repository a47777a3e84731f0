/** Script of the worker thread in which a leaderboard runs; started by `leaderboard-handler.ts` only. */
import { serveThread } from '@clove/runtime';
import { runLeaderboard } from './leaderboard.js';

serveThread(runLeaderboard);
