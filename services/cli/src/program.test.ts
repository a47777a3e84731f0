import {
  GeneratorOptions,
  IngestOptions,
  LeaderboardOptions,
  TrainingOptions,
  TransactionMapping,
} from '@clove/contracts';
import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import type { Context } from './context.js';
import { generatorFlags, trainingFlags } from './flags/groups.js';
import { ingestOptions, leaderboardOptions, trainingOptions } from './flags/requests.js';
import { createProgram } from './program.js';
import { createScreen } from './screen/screen.js';

const nowhere = { write: () => true };

/** Parses a command line as the program does and hands over what the command would see. */
const parse = async (...argv: string[]): Promise<{ ctx: Context; args: string[] }> => {
  let seen: { values: Record<string, unknown>; args: string[] } | undefined;
  const program = createProgram(async (_action, values, args) => {
    seen = { values, args };
  });
  const quiet = (command: Command) => {
    command.exitOverride().configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    for (const sub of command.commands) quiet(sub);
  };
  quiet(program);
  await program.parseAsync(argv, { from: 'user' });
  if (!seen) throw new Error('no command ran');
  return {
    ctx: {
      screen: createScreen({ json: true, quiet: true, stdout: nowhere, stderr: nowhere }),
      signal: new AbortController().signal,
      cancelsJobs: false,
      environment: {},
      values: seen.values,
    },
    args: seen.args,
  };
};

const flagsOf = (name: string): (string | undefined)[] => {
  const command = createProgram(async () => undefined).commands.find((candidate) => candidate.name() === name);
  if (!command) throw new Error(`no command ${name}`);
  return command.options.map((option) => option.long);
};

const kebab = (key: string) => key.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

describe('flags of the command line', () => {
  test.each(['train', 'demo'])('every training option has a flag of %s', (command) => {
    const flags = flagsOf(command);
    for (const key of Object.keys(TrainingOptions.shape))
      expect(flags).toContain(key === 'ignoreColumns' ? '--ignore-column' : `--${kebab(key)}`);
  });

  test.each(['ingest', 'train', 'evaluate', 'predict', 'demo'])(
    'every way to read files and every column meaning has a flag of %s',
    (command) => {
      const flags = flagsOf(command);
      const renamed: Record<string, string> = {
        header: '--no-header',
        ignoreColumns: '--ignore-column',
        targetColumn: '--target',
        orderStatuses: '--order-status',
      };
      for (const key of Object.keys(IngestOptions.shape).filter((field) => field !== 'mapping'))
        expect(flags).toContain(renamed[key] ?? `--${kebab(key)}`);
      for (const key of Object.keys(TransactionMapping.shape)) expect(flags).toContain(`--${kebab(key)}`);
      expect(flags).toContain('--data');
    },
  );

  test('every generator option has a flag of generate', () => {
    for (const key of Object.keys(GeneratorOptions.shape)) expect(flagsOf('generate')).toContain(`--${kebab(key)}`);
  });

  test('every flag says what it is for', () => {
    const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)];
    for (const command of all(createProgram(async () => undefined)))
      for (const option of command.options) expect([command.name(), option.long, option.description]).not.toContain('');
  });

  test('values reach the contract: numbers, lists, switched-off booleans, repeated names', async () => {
    const { ctx } = await parse(
      ...'train --hidden 32,16 --no-batch-norm --dropout 0 --learning-rate 1e-2 --optimizer adamw --clip-norm 0.5 --seed 7 --ignore-column a --ignore-column b --target revenue --test-origin 2024-03-31'.split(
        ' ',
      ),
    );
    expect(trainingOptions(ctx)).toEqual(
      TrainingOptions.parse({
        hidden: [32, 16],
        batchNorm: false,
        dropout: 0,
        learningRate: 0.01,
        optimizer: 'adamw',
        clipNorm: 0.5,
        seed: 7,
        ignoreColumns: ['a', 'b'],
        target: 'revenue',
        testOrigin: '2024-03-31',
      }),
    );
  });

  test('--horizon is --horizon-days wherever that is a flag, and the two together are refused', async () => {
    for (const name of ['train', 'leaderboard', 'demo']) {
      const { ctx } = await parse(name, '--horizon', '182');
      const read = name === 'leaderboard' ? leaderboardOptions(ctx) : trainingOptions(ctx);
      expect(read.horizonDays).toBe(182);
    }
    await expect(parse('train', '--horizon', '182', '--horizon-days', '90')).rejects.toThrow(/cannot be used/);
    await expect(parse('train', '--horizon', '0')).rejects.toThrow(/whole number/);
  });

  test('every option of a leaderboard has a flag', () => {
    const flags = flagsOf('leaderboard');
    for (const key of Object.keys(LeaderboardOptions.shape))
      expect(flags).toContain(key === 'ignoreColumns' ? '--ignore-column' : `--${kebab(key)}`);
  });

  test('what is left out stays at the default of the contract', async () => {
    const { ctx } = await parse('train');
    expect(trainingOptions(ctx)).toEqual(TrainingOptions.parse({}));
    expect(ingestOptions(ctx)).toEqual(IngestOptions.parse({}));
  });

  test('--target and --ignore-column serve the reading and the training', async () => {
    const { ctx } = await parse('train', '--target', 'revenue', '--ignore-column', 'a');
    expect(ingestOptions(ctx)).toMatchObject({ targetColumn: 'revenue', ignoreColumns: ['a'] });
    expect(trainingOptions(ctx)).toMatchObject({ target: 'revenue', ignoreColumns: ['a'] });
  });

  test('--seed of the demo serves the generator and the training', async () => {
    const { ctx } = await parse('demo', '--seed', '9', '--customers', '100');
    expect(generatorFlags.read(ctx.values)).toMatchObject({ seed: 9, customers: 100 });
    expect(trainingFlags.read(ctx.values)).toMatchObject({ seed: 9 });
  });

  test('column meanings and the way to read come together', async () => {
    const { ctx } = await parse(
      ...'ingest --customer who --payment-type how --delimiter ; --no-header --data x --order-status shipped --order-status delivered'.split(
        ' ',
      ),
    );
    expect(ingestOptions(ctx)).toEqual(
      IngestOptions.parse({
        mapping: { customer: 'who', paymentType: 'how' },
        delimiter: ';',
        header: false,
        orderStatuses: ['shipped', 'delivered'],
      }),
    );
  });

  test.each([
    [['train', '--dropout', '7'], /--dropout.*from 0 to 0\.95/],
    [['train', '--epochs', '1.5'], /--epochs.*whole number from 1 to 10000/],
    [['train', '--epochs', ''], /--epochs.*whole number/],
    [['train', '--hidden', '64,many'], /--hidden.*whole numbers/],
    [['train', '--lr-factor', '1'], /--lr-factor.*between 0 and 1/],
    [['train', '--test-origin', '31.3.2024'], /--test-origin.*YYYY-MM-DD/],
    [['train', '--backend', 'cuda'], /--backend.*"auto", "onnx-cpu"/],
    [['ingest', '--preset', 'olistt'], /--preset.*"olist", "cdnow", "online-retail"/],
    [['ingest', '--delimiter', ';;'], /--delimiter/],
    [['ingest', '--currency', 'euro'], /--currency.*three capital letters/],
    [['generate', '--customers', '0'], /--customers.*from 1/],
    [['start', '--port', '99999'], /--port.*65535/],
    [['train', '--model-name', '1shop'], /--model-name.*start with a letter/],
    [['jobs', 'list', '--status', 'done'], /--status.*queued/],
  ] as const)('%j is refused by a message that names the flag and what it takes', async (argv, message) => {
    await expect(parse(...argv)).rejects.toThrow(message);
  });

  test('arguments of commands arrive', async () => {
    expect((await parse('models', 'alias', 'shop@3', 'champion')).args).toEqual(['shop@3', 'champion']);
    expect((await parse('models', 'rollback', 'shop', 'champion', '--reason', 'worse')).args).toEqual([
      'shop',
      'champion',
    ]);
    expect((await parse('models', 'import', './model', '--name', 'shop')).args).toEqual(['./model']);
    expect((await parse('jobs', 'cancel', 'job_x', '--json')).args).toEqual(['job_x']);
  });
});
