/**
 * The trainer: turns a dataset into a model folder. `trainModel` is the core, without queue, registry or server.
 * @packageDocumentation
 */
export { readCheckpoint } from './checkpoints.js';
export { type LeaderboardInput, type LeaderboardResult, runLeaderboard } from './leaderboard.js';
export { type TrainInput, type TrainMessage, trainModel } from './train-model.js';
