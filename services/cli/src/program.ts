import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { JobKind, JobStatus } from '@clove/contracts';
import type { Context } from './context.js';
import { EXIT_CODES_HELP } from './exit-codes.js';
import { FITTED_MODELS, FIT_INPUT_HELP } from './fit-input.js';
import type { ContractFlags } from './flags/contract-flags.js';
import {
  evaluationFlags,
  generatorFlags,
  leaderboardFlags,
  mappingFlags,
  predictionFlags,
  readingFlags,
  registryFlags,
  sizeFlags,
  trainingFlags,
  winnerFlags,
} from './flags/groups.js';

/** What a command does with its flags and arguments; a number is the exit code, nothing is 0. */
type Action = (ctx: Context, ...args: string[]) => Promise<number | void>;
/** Runs an action with a context made of the flags. */
export type Runner = (action: Action, values: Record<string, unknown>, args: string[]) => Promise<void>;

const wholeNumber = (low: number, high: number) => (value: string) => {
  const n = value.trim() === '' ? Number.NaN : Number(value);
  if (!Number.isInteger(n) || n < low || n > high)
    throw new InvalidArgumentError(`It takes a whole number from ${low} to ${high}.`);
  return n;
};
const repeated = (value: string, before: unknown): string[] => [...(Array.isArray(before) ? before : []), value];

const flags = (to: Command, ...groups: ContractFlags[]) => {
  for (const group of groups) group.addTo(to);
};
const gateway = (to: Command) =>
  to
    .addOption(
      new Option('--url <url>', 'gateway to use (default: CLOVE_URL, the one running here, or port 3000)').helpGroup(
        'Gateway:',
      ),
    )
    .addOption(
      new Option('--api-key <key>', "key for it (default: CLOVE_API_KEY, or this checkout's own)").helpGroup(
        'Gateway:',
      ),
    );
const local = (to: Command) =>
  to.addOption(new Option('--local', 'work alone in this process, without any server').helpGroup('Gateway:'));
const data = (to: Command) => {
  to.addOption(
    new Option('--data <path>', 'CSV or Parquet file, or a folder of them (may be repeated)')
      .argParser(repeated)
      .helpGroup('Data:'),
  );
  flags(to, readingFlags, mappingFlags);
};
const dataset = (to: Command) =>
  to
    .addOption(new Option('--dataset <id>', 'dataset of the gateway, instead of --data').helpGroup('Data:'))
    .addOption(new Option('--name <text>', 'name of the uploaded dataset').helpGroup('Data:'));
const out = (to: Command, what: string) => to.addOption(new Option('--out <path>', what));
const plot = (to: Command) => {
  to.addOption(new Option('--plot <folder>', 'write the charts there, each as SVG and PNG').helpGroup('Charts:'));
  to.addOption(
    new Option('--theme <name>', 'of the charts: light or dark (default: light)')
      .choices(['light', 'dark'])
      .helpGroup('Charts:'),
  );
};
const stack = (to: Command) => {
  const add = (option: Option) => to.addOption(option.helpGroup('Servers:'));
  add(
    new Option('--port <n>', 'port of the gateway (default: 3000, or the next free one)').argParser(
      wholeNumber(1, 65_535),
    ),
  );
  add(new Option('--host <address>', 'address to listen on (default: 127.0.0.1, this machine only)'));
  for (const role of ['ingesters', 'trainers', 'scorers'])
    add(new Option(`--${role} <n>`, `number of ${role} (default: 1)`).argParser(wholeNumber(1, 64)));
};

const BACKUP_HELP = `
Of what: the database of DATABASE_URL and the store of ARTIFACTS_DIR, or those in the data folder of this machine (CLOVE_HOME).
A backup holds personal data and the hashes of passwords and keys: keep it as safe as the installation.`;

/**
 * The whole command line. Commands load their code when they run, so that `--help` and a small remote command do not
 * wait for native libraries.
 */
export const createProgram = (run: Runner): Command => {
  const program = new Command('clove')
    .description('Predicts what each customer will spend in the next N days.')
    .helpCommand(true)
    .showHelpAfterError('(clove --help, or clove COMMAND --help, lists what there is)')
    .addHelpText('after', `\n${EXIT_CODES_HELP}`);

  const command = (parent: Command, name: string, description: string, action: Action | undefined): Command => {
    const made = parent.command(name).description(description);
    if (action)
      made
        .option('--json', 'one JSON document on stdout, nothing else there')
        .option('--quiet', 'no progress; warnings and errors only')
        .action(async (...given: unknown[]) => {
          await run(
            action,
            made.opts(),
            given.filter((argument) => typeof argument === 'string'),
          );
        });
    return made;
  };
  const demo = command(
    program,
    'demo',
    'start everything, take orders to scored customers, and stay up until Ctrl-C',
    async (ctx) => (await import('./commands/demo.js')).demo(ctx),
  ).option('--once', 'stop and exit when the customers are scored');
  flags(demo, sizeFlags);
  data(demo);
  flags(demo, trainingFlags, registryFlags);
  stack(demo);

  const start = command(program, 'start', 'start everything and stay up until Ctrl-C', async (ctx) =>
    (await import('./commands/start.js')).start(ctx),
  ).option('--watch', 'for developers: compile and restart the services when the code changes');
  stack(start);

  const ingest = command(program, 'ingest', 'files into a dataset', async (ctx) =>
    (await import('./commands/ingest.js')).ingest(ctx),
  );
  ingest.addOption(new Option('--name <text>', 'name of the dataset').helpGroup('Data:'));
  data(ingest);
  out(ingest, 'with --local: dataset folder to write (default: ./dataset)');
  local(gateway(ingest));

  const generate = command(
    program,
    'generate',
    'synthetic data into a file, or into the gateway as a dataset',
    async (ctx) => (await import('./commands/generate.js')).generate(ctx),
  );
  generate.addOption(new Option('--name <text>', 'name of the dataset').helpGroup('Generated data:'));
  flags(generate, generatorFlags);
  out(generate, 'file to write (.csv, .csv.gz or .parquet); without it the gateway makes a dataset');
  local(gateway(generate));

  const train = command(program, 'train', 'data to a model', async (ctx) =>
    (await import('./commands/train.js')).train(ctx),
  );
  data(train);
  dataset(train);
  flags(train, trainingFlags, registryFlags);
  out(train, 'with --local: model folder to write (default: ./model)');
  train.addOption(
    new Option('--resume <folder>', 'with --local: go on with the training that was stopped there, on the same data'),
  );
  plot(train);
  local(gateway(train));

  const leaderboard = command(
    program,
    'leaderboard',
    'every model and baseline on the same test rows, and a winner chosen before they are read',
    async (ctx) => (await import('./commands/leaderboard.js')).leaderboard(ctx),
  );
  data(leaderboard);
  dataset(leaderboard);
  flags(leaderboard, leaderboardFlags, winnerFlags);
  out(leaderboard, "with --local: folder for the winner's model");
  plot(leaderboard);
  local(gateway(leaderboard));

  const fit = command(
    program,
    'fit',
    'a probabilistic model by maximum likelihood: its parameters, their errors and the log-likelihood',
    async (ctx, model = '') => (await import('./commands/fit.js')).fit(ctx, model),
  ).addArgument(new Argument('<model>', 'what to fit').choices(FITTED_MODELS));
  fit.addHelpText('after', `\n${FIT_INPUT_HELP}`);
  data(fit);
  fit.addOption(
    new Option('--as-of <YYYY-MM-DD>', 'order files: last day that is used (default: the last of the data)').helpGroup(
      'Data:',
    ),
  );

  const report = command(program, 'report', 'the model card of a version: one HTML page', async (ctx) =>
    (await import('./commands/report.js')).report(ctx),
  ).requiredOption('--model <ref>', 'model folder, or a model of the gateway: name, name@alias, name@number');
  out(report, 'file to write (default: ./report.html)');
  report.addOption(new Option('--currency <text>', 'sign or code of the currency of amounts, such as $ or EUR'));
  gateway(report);

  const evaluate = command(program, 'evaluate', 'a model against what customers did spend', async (ctx) =>
    (await import('./commands/evaluate.js')).evaluate(ctx),
  );
  evaluate.option(
    '--model <ref>',
    'model of the gateway: name, name@alias, name@number (default: clv); with --local: its folder',
  );
  data(evaluate);
  dataset(evaluate);
  flags(evaluate, evaluationFlags);
  plot(evaluate);
  local(gateway(evaluate));

  const predict = command(program, 'predict', 'a model and customers to one predicted value each', async (ctx) =>
    (await import('./commands/predict.js')).predict(ctx),
  );
  predict.option(
    '--model <ref>',
    'model of the gateway: name, name@alias, name@number (default: clv); with --local: its folder',
  );
  out(predict, 'file to write, .csv or .parquet (default: ./predictions.csv)');
  data(predict);
  dataset(predict);
  flags(predict, predictionFlags);
  local(gateway(predict));

  const models = command(program, 'models', 'models of the gateway and their versions', undefined);
  gateway(command(models, 'list', 'all models', async (ctx) => (await import('./commands/models.js')).list(ctx)));
  gateway(
    command(models, 'show', 'versions of a model, or one of them in full', async (ctx, reference = '') =>
      (await import('./commands/models.js')).show(ctx, reference),
    ).argument('<name[@version]>'),
  );
  gateway(
    command(models, 'alias', 'let an alias point at a version', async (ctx, reference = '', alias = '') =>
      (await import('./commands/models.js')).alias(ctx, reference, alias),
    )
      .argument('<name@version>')
      .argument('<alias>', 'champion is what predictions use')
      .option('--force', 'move champion though a gate fails; its history keeps that')
      .option('--reason <text>', 'why, for its history'),
  );
  gateway(
    command(models, 'rollback', 'let an alias point where it pointed before', async (ctx, name = '', alias = '') =>
      (await import('./commands/models.js')).rollback(ctx, name, alias),
    )
      .argument('<name>')
      .argument('<alias>')
      .option('--reason <text>', 'why, for its history'),
  );
  gateway(
    command(models, 'import', 'a model folder or a model.onnx of Clove as a new version', async (ctx, path = '') =>
      (await import('./commands/models.js')).importVersion(ctx, path),
    )
      .argument('<path>')
      .option('--name <name>', 'model that gets the version, made if it is new (default: clv)'),
  );
  gateway(
    out(
      command(models, 'download', 'the files of a version, for --local', async (ctx, reference = '') =>
        (await import('./commands/models.js')).download(ctx, reference),
      ).argument('<name[@version]>'),
      'folder to write (default: ./NAME-VERSION)',
    ),
  );

  const erase = command(
    program,
    'erase',
    'customers out of all datasets and predictions of the gateway (administrators)',
    async (ctx) => (await import('./commands/erase.js')).erase(ctx),
  );
  erase
    .option('--customer <id...>', 'ids as they were in the files')
    .option('--from <file>', 'file with one id a line')
    .option('--list', 'show the erasures that there were')
    .addOption(new Option('--limit <n>', 'with --list: how many (default: 20)').argParser(wholeNumber(1, 200)));
  gateway(erase);

  const jobs = command(program, 'jobs', 'jobs of the gateway', undefined);
  gateway(
    command(jobs, 'list', 'the latest jobs', async (ctx) => (await import('./commands/jobs.js')).list(ctx))
      .addOption(new Option('--status <status>', 'only these').choices(JobStatus.options))
      .addOption(new Option('--kind <kind>', 'only these').choices(JobKind.options))
      .addOption(new Option('--limit <n>', 'how many (default: 20)').argParser(wholeNumber(1, 200))),
  );
  const oneJob = (name: 'show' | 'log' | 'watch' | 'cancel' | 'retry', description: string) =>
    gateway(
      command(jobs, name, description, async (ctx, id = '') =>
        (await import('./commands/jobs.js'))[name](ctx, id),
      ).argument('<id>'),
    );
  oneJob('show', 'one job, its attempts and its error');
  oneJob('log', 'what was going on in a job');
  oneJob('watch', 'follow a job to its end');
  oneJob('cancel', 'stop a job');
  oneJob('retry', 'queue a failed or cancelled job again');

  const tenants = command(program, 'tenants', 'organisations that share the installation and nothing else', undefined);
  gateway(command(tenants, 'list', 'all tenants', async (ctx) => (await import('./commands/tenants.js')).list(ctx)));
  gateway(
    command(tenants, 'create', 'a tenant with its first administrator', async (ctx, name = '') =>
      (await import('./commands/tenants.js')).create(ctx, name),
    )
      .argument('<name>')
      .requiredOption('--admin <username>', 'user to make, who makes the other users of the tenant')
      .option('--password-file <path>', 'file with the password of that user (default: one is made up and shown once)'),
  );

  const backup = command(program, 'backup', 'database and artifact store into a folder or a bucket', async (ctx) =>
    (await import('./commands/backup.js')).backup(ctx),
  ).requiredOption('--out <place>', 'empty or new folder to write, or s3://bucket/prefix');
  backup.addHelpText('after', BACKUP_HELP);

  const restore = command(program, 'restore', 'a backup into an empty database and artifact store', async (ctx, from) =>
    (await import('./commands/backup.js')).restore(ctx, from ?? ''),
  )
    .argument('<place>', 'folder or s3://bucket/prefix that a backup was written to')
    .option('--overwrite', 'give up what database and artifact store hold now');
  restore.addHelpText('after', BACKUP_HELP);

  const doctor = command(program, 'doctor', 'check this machine and say what to do', async (ctx) =>
    (await import('./commands/doctor.js')).doctor(ctx),
  );
  doctor.addOption(
    new Option('--port <n>', 'port that the gateway is to have (default: 3000)').argParser(wholeNumber(1, 65_535)),
  );
  gateway(doctor);

  return program;
};
