import { CloveError, IngestOptions, LeaderboardOptions, type Schema, TrainingOptions } from '@clove/contracts';
import type { Context } from '../context.js';
import type { ContractFlags } from './contract-flags.js';
import { leaderboardFlags, mappingFlags, readingFlags, trainingFlags } from './groups.js';

/** Checks values that flags made against their contract; what single flags cannot tell, such as a rule across two. */
export const checked = <T>(schema: Schema<T>, value: unknown, flags: readonly ContractFlags[]): T => {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const lines = parsed.error.issues.map((issue) => {
    const key = String(issue.path.at(-1) ?? '');
    const flag = flags.map((group) => group.flagOf(key)).find((name) => name !== undefined);
    return `${flag ?? key}: ${issue.message}`;
  });
  throw new CloveError('invalid-input', lines.join('\n'));
};

/** How to read the files, from the flags. */
export const ingestOptions = (ctx: Context): IngestOptions =>
  checked(IngestOptions, { ...readingFlags.read(ctx.values), mapping: mappingFlags.read(ctx.values) }, [
    readingFlags,
    mappingFlags,
  ]);

/** How to train, from the flags. */
export const trainingOptions = (ctx: Context): TrainingOptions =>
  checked(TrainingOptions, trainingFlags.read(ctx.values), [trainingFlags]);

/** What to rank, from the flags. */
export const leaderboardOptions = (ctx: Context): LeaderboardOptions =>
  checked(LeaderboardOptions, leaderboardFlags.read(ctx.values), [leaderboardFlags]);
