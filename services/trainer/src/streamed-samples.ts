import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Sample, Table } from '@clove/clv';
import type { DatasetProfile, Warning } from '@clove/contracts';
import { keepRows, openTrainingRows, targetOf } from '@clove/data';
import { type Samples, type Source, featureColumns, requireRows, requireTarget } from './samples.js';

/** Share of the memory limit that the tables of a training may take; a larger one is trained on from chunks. */
const MEMORY_SHARE = 0.5;
/** Copies of the numbers of a table that a training in memory holds at its peak: read, split, encoded and prepared. */
const COPIES = 4;
const DEFAULT_MEMORY_BYTES = 1024 ** 3;

/** Whether a features table takes more than half of the memory limit when it is trained on in memory. */
export const exceedsMemory = ({ rows, columns }: DatasetProfile, memoryLimitBytes = DEFAULT_MEMORY_BYTES): boolean =>
  rows * columns.length * Float64Array.BYTES_PER_ELEMENT * COPIES > memoryLimitBytes * MEMORY_SHARE;

/**
 * Protocol `random` of a features table that memory does not hold: validation and test have 200,000 customers at most, the
 * others teach, read from the file in chunks. What else is learned from training rows (scales, categories, baselines, the
 * checks for leaks) is learned from an even sample of 200,000. Memory does not grow with the rows.
 * @returns the samples, and what removes the rows that were kept for the epochs
 */
export const streamSamples = async (
  source: Source,
  onStage: (stage: string) => void,
): Promise<{ samples: Samples; close(): Promise<void> }> => {
  const { profile, options } = source;
  const kinds = new Map(
    profile.columns.map(({ name, type }) => [name, type === 'text' ? ('categorical' as const) : ('numeric' as const)]),
  );
  const target = requireTarget(source, (name) => kinds.get(name));
  onStage('reading the features');
  const labelled = { ...source, target, seed: options.seed };
  const labels = await targetOf(labelled);
  const warnings: Warning[] = [];
  requireRows(source, target, labels, warnings);
  const opened = await openTrainingRows({ ...labelled, ...options, target, usable: labels.usable });
  const { rows } = opened;
  const names = profile.columns.map(({ name }) => name).filter((name) => name !== 'customer_id');
  const columns = featureColumns(source, names, target, warnings);
  warnings.push({
    code: 'trained-from-chunks',
    message: `The table is larger than the memory of a training: it was read in chunks, with ${rows.validation} customers for validation and ${rows.test} for the test.`,
  });
  const sample = (table: Table): Sample => {
    const column = table.columns.get(target);
    if (column?.kind !== 'numeric') throw new Error(`the part of the table came without its target "${target}"`);
    return { table, target: column.values };
  };
  const folder = await mkdtemp(join(source.scratchDir, 'training-'));
  const test = sample(opened.test);
  return {
    samples: {
      data: {
        kind: 'features',
        target,
        horizonDays: null,
        columns,
        forecastColumns: [],
        origins: [{ train: sample(opened.sample), validation: sample(opened.validation) }],
        latest: test.table,
        stream: {
          async *scan(wanted) {
            for await (const table of opened.scan([...wanted, target])) yield sample(table);
          },
          keep: (width, prepared) => keepRows({ scratchDir: folder, width, rows: prepared }),
        },
      },
      test,
      protocol: {
        name: 'random',
        horizonDays: null,
        testOrigin: null,
        trainingOrigins: [],
        trainRows: rows.train,
        validationRows: rows.validation,
        testRows: rows.test,
        seed: options.seed,
      },
      windows: null,
      warnings,
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
};
