import {
  GeneratorOptions,
  IngestOptions,
  LeaderboardOptions,
  StartEvaluation,
  StartLeaderboard,
  StartPrediction,
  StartRun,
  TrainingOptions,
  TransactionMapping,
} from '@clove/contracts';
import { contractFlags } from './contract-flags.js';

/** How to read the files: all of IngestOptions but its mapping. */
export const readingFlags = contractFlags(IngestOptions, {
  heading: 'How to read the files:',
  fields: Object.keys(IngestOptions.shape).filter((key) => key !== 'mapping'),
  names: { ignoreColumns: 'ignore-column', targetColumn: 'target', orderStatuses: 'order-status' },
  hints: {
    header: 'the first line is data, not column names',
    delimiter: 'char',
    dateFormat: 'format',
    idColumn: 'column',
    ignoreColumns: 'column',
    targetColumn: 'column',
  },
});

/** Which columns of an order file mean what. */
export const mappingFlags = contractFlags(TransactionMapping, {
  heading: 'Columns of an order file (guessed from the header where left out):',
  hints: Object.fromEntries(Object.keys(TransactionMapping.shape).map((key) => [key, 'column'])),
});

/** How the options are called that a training and a leaderboard share. */
const LEARNING = {
  names: { ignoreColumns: 'ignore-column' },
  aliases: { horizonDays: 'horizon' },
  hints: { target: 'column', ignoreColumns: 'column' },
} as const;

/** Every option of a training run. `--target` and `--ignore-column` serve the reading of the file as well. */
export const trainingFlags = contractFlags(TrainingOptions, { heading: 'Training:', ...LEARNING });

/** The registry model that a run adds a version to. */
export const registryFlags = contractFlags(StartRun, {
  heading: 'Training:',
  fields: ['modelName'],
  hints: { modelName: 'name' },
});

export const generatorFlags = contractFlags(GeneratorOptions, {
  heading: 'Generated data:',
});
/** `--customers` and `--seed`, where the generator itself is not of the user's choosing. */
export const sizeFlags = contractFlags(GeneratorOptions, {
  heading: 'Generated data:',
  fields: ['customers', 'seed'],
});

export const predictionFlags = contractFlags(StartPrediction, {
  heading: 'Prediction:',
  fields: ['asOf', 'includeInputs'],
});
export const evaluationFlags = contractFlags(StartEvaluation, {
  heading: 'Evaluation:',
  fields: ['testOrigin'],
});

/** Every option of a leaderboard. */
export const leaderboardFlags = contractFlags(LeaderboardOptions, { heading: 'Leaderboard:', ...LEARNING });
/** The registry model that receives the winner. */
export const winnerFlags = contractFlags(StartLeaderboard, {
  heading: 'Leaderboard:',
  fields: ['modelName'],
  hints: { modelName: 'name' },
});
