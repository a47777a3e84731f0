import { randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type Checkpoints, type KeptTraining, decodeCheckpoint, encodeCheckpoint } from '@clove/clv';
import { CloveError, type TrainingOptions } from '@clove/contracts';

/** Seconds of training that a job may lose at most, between two epochs at least. */
const SAVED_EVERY_SECONDS = 10;

/**
 * What the checkpoint of an earlier attempt holds.
 * @throws CloveError `not-found` where there is no such file, `data-unreadable` where it is no checkpoint
 */
export const readCheckpoint = async (
  path: string,
): Promise<{ options: TrainingOptions; trainings: Map<string, KeptTraining> }> => {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new CloveError('not-found', `There is no checkpoint ${path}: nothing to go on with.`, { cause: error });
  }
  try {
    return decodeCheckpoint(bytes);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CloveError('data-unreadable', `The checkpoint ${path} cannot be read: ${reason}`, { cause: error });
  }
};

/**
 * The checkpoints of one job in one file, which is replaced whole: at any moment there is an old one or a new one.
 * @param o.kept trainings of an earlier attempt; `mustFit`: one of other data or options is an error, not left alone
 * @param o.onSaved called after each write
 */
export const fileCheckpoints = (o: {
  path: string;
  options: TrainingOptions;
  kept: ReadonlyMap<string, KeptTraining>;
  mustFit: boolean;
  onSaved: () => void;
}): Checkpoints => {
  const trainings = new Map(o.kept);
  return {
    of: (name, fingerprint) => {
      const found = o.kept.get(name);
      const fits = found?.fingerprint === fingerprint;
      if (found !== undefined && !fits && o.mustFit) {
        throw new CloveError(
          'conflict',
          'The checkpoint is of other data: bring the files of the training that was stopped, or start anew without it.',
        );
      }
      return {
        from: fits ? found : null,
        everySeconds: SAVED_EVERY_SECONDS,
        save: (state) => {
          trainings.set(name, { ...state, fingerprint });
          replaceFile(o.path, encodeCheckpoint(o.options, trainings));
          o.onSaved();
        },
      };
    },
  };
};

/** The same, under names of their own. */
export const namedCheckpoints = (prefix: string, checkpoints: Checkpoints): Checkpoints => ({
  of: (name, fingerprint) => checkpoints.of(`${prefix}-${name}`, fingerprint),
});

/** Writes aside, syncs and renames. Blocks, as the training does that calls it. */
const replaceFile = (path: string, bytes: Uint8Array): void => {
  mkdirSync(dirname(path), { recursive: true });
  const aside = `${path}.${randomUUID()}`;
  try {
    const file = openSync(aside, 'wx');
    try {
      writeFileSync(file, bytes);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(aside, path);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
};
