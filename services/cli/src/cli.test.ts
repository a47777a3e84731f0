import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DatasetProfile, EvaluationReport, ModelManifest, PREDICTION_COLUMNS, type Warning } from '@clove/contracts';
import { freePort } from '@clove/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

/** The built command, run as a user runs it: a process of its own, alone (`--local`), in a folder of its own. */
const MAIN = fileURLToPath(new URL('../dist/main.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'clove-cli-'));
afterAll(() => rmSync(folder, { recursive: true }));

type Outcome = { code: number | null; stdout: string; stderr: string };
/** @param interruptAt sends Ctrl-C once this has been said on stderr */
const clove = (line: string, interruptAt?: RegExp): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...line.split(' ')], {
      cwd: folder,
      env: { PATH: process.env['PATH'], CLOVE_HOME: folder },
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
      if (!child.killed && interruptAt?.test(stderr) === true) child.kill('SIGINT');
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });

/** Runs a command that must succeed and reads its one JSON document. */
const json = async (line: string): Promise<Record<string, unknown>> => {
  const { code, stdout, stderr } = await clove(`${line} --json`);
  expect(`${code} ${stderr}`).toMatch(/^0 /);
  return JSON.parse(stdout) as Record<string, unknown>;
};

/** Runs a command that must fail: with this exit code, and one message without a stack. */
const refusal = async (line: string, exitCode: number): Promise<string> => {
  const { code, stderr, stdout } = await clove(line);
  expect([code, stderr]).toEqual([exitCode, expect.stringMatching(/^error: /m)]);
  expect(stderr).not.toMatch(/\n\s+at .*\.js/);
  expect(stdout).toBe('');
  return stderr;
};

const read = (name: string) => readFileSync(join(folder, name), 'utf8');
const write = (name: string, rows: readonly (readonly string[])[]) =>
  writeFileSync(join(folder, name), rows.map((row) => row.join(',')).join('\n') + '\n');
const table = (name: string) => {
  const [header = [], ...rows] = read(name)
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => line.split(','));
  return { header, rows };
};
const sha = (name: string) =>
  createHash('sha256')
    .update(readFileSync(join(folder, name)))
    .digest('hex');

const SMALL = '--hidden 16,8 --epochs 6 --threads 1';

beforeAll(async () => {
  await json('generate --generator features --customers 600 --seed 3 --out customers.csv');
  await json('ingest --local --data customers.csv --out customers');
  await json(`train --local --data customers --out model ${SMALL}`);
}, 120_000);

describe('a table of customers', () => {
  test('a training that is interrupted goes on where it was, to the bytes of an uninterrupted one', async () => {
    const asked = '--hidden 16 --hidden 8 --epochs 400 --patience 400 --seed 5';
    await json(`train --local --data customers --out uninterrupted ${asked}`);
    const stopped = await clove(`train --local --data customers --out interrupted ${asked}`, /epoch \d+ of/);
    expect(stopped.code).not.toBe(0);
    expect(stopped.stderr).toContain('Go on with: clove train --local --resume interrupted --data customers');
    expect(readdirSync(join(folder, 'interrupted'))).toEqual(['resume.safetensors']);

    expect(await refusal('train --local --data customers --resume interrupted --epochs 3', 2)).toContain('--epochs');
    expect(await refusal('train --data customers --resume interrupted', 2)).toContain('--local');
    await json('train --local --data customers --resume interrupted');
    for (const name of ['model.onnx', 'checkpoint.safetensors', 'evaluation.json'])
      expect([name, sha(`interrupted/${name}`)]).toEqual([name, sha(`uninterrupted/${name}`)]);
    expect(readdirSync(join(folder, 'interrupted'))).not.toContain('resume.safetensors');
    expect(await refusal('train --local --data customers --resume interrupted', 2)).toContain('nothing to go on with');
  });

  test('train writes a model folder of files that the contracts know, and the profile for its report', () => {
    expect(readdirSync(join(folder, 'model')).toSorted()).toEqual([
      'checkpoint.safetensors',
      'evaluation.json',
      'model.json',
      'model.onnx',
      'profile.json',
    ]);
    const manifest = ModelManifest.parse(JSON.parse(read('model/model.json')));
    expect(manifest).toMatchObject({ kind: 'features', target: 'clv', options: { hidden: [16, 8], epochs: 6 } });
    expect(EvaluationReport.parse(JSON.parse(read('model/evaluation.json'))).testCustomers).toBe(120);
  });

  test('predict writes one row per customer with the documented columns, and says so in JSON', async () => {
    const { prediction } = await json('predict --local --model model --data customers.csv --out out.csv');
    expect(prediction).toMatchObject({ rows: 600, file: join(folder, 'out.csv') });
    const { header, rows } = table('out.csv');
    expect(header).toEqual([...PREDICTION_COLUMNS]);
    expect(rows).toHaveLength(600);
    expect(new Set(rows.map(([id]) => id)).size).toBe(600);
    for (const row of rows) expect(Number.isFinite(Number(row[1]))).toBe(true);
  });

  test('a large CSV of numbers is scored as it lies; with a bad row it is ingested, and gives the same bytes', async () => {
    const names = Array.from({ length: 6 }, (_, i) => `f${i}`);
    const rows = Array.from({ length: 90_000 }, (_, i) => [
      `c${i}`,
      ...names.map((_name, k) => (((i * (7919 + k)) % 100_003) / 7).toFixed(3)),
    ]);
    const header = ['customer_id', ...names];
    write('few.csv', [[...header, 'clv'], ...rows.slice(0, 400).map((row) => [...row, row[1]!])]);
    await json(`train --local --data few.csv --out numbers ${SMALL}`);
    write('many.csv', [header, ...rows]);
    const direct = await json('predict --local --model numbers --data many.csv --out direct.csv');
    expect(direct).toMatchObject({ prediction: { rows: 90_000, asOf: null }, seconds: { ingest: 0 } });
    write('odd.csv', [header, ...rows, ['c17', '1', '2', '3', '4', '5', '6']]);
    const odd = await json('predict --local --model numbers --data odd.csv --out odd-out.csv');
    expect(odd).toMatchObject({ prediction: { rows: 90_000 } });
    expect((odd['warnings'] as Warning[]).map(({ code }) => code)).toContain('duplicate-ids');
    expect(sha('odd-out.csv')).toBe(sha('direct.csv'));
  }, 120_000);

  test('report is one page about the model folder, with the data that it learned from', async () => {
    const { report, gates } = await json('report --model ./model --out card.html --currency EUR');
    expect(report).toMatchObject({ file: join(folder, 'card.html'), model: 'model' });
    const page = read('card.html');
    expect(page).toContain('<h1>model</h1>');
    expect(page).toContain('email_opens');
    expect(page).not.toMatch(/<script/i);
    expect((gates as { gate: string }[]).map(({ gate }) => gate)).toContain('total-bias');
  });

  test('--plot writes the charts of an evaluation as SVG and PNG', async () => {
    const looks = '--theme dark --currency EUR';
    const { plots } = await json(`evaluate --local --model model --data customers.csv --plot charts ${looks}`);
    expect(read('charts/decile-calibration.svg')).toContain('EUR');
    expect(read('charts/decile-calibration.svg')).toContain('#0f1822');
    expect((plots as string[]).length).toBeGreaterThan(3);
    for (const file of plots as string[]) {
      const start = readFileSync(file).subarray(0, 4).toString('latin1');
      expect(start).toBe(file.endsWith('.svg') ? '<svg' : '\u0089PNG');
    }
  });

  test('the name of the output decides its format', async () => {
    await json('predict --local --model model --data customers --out out.parquet');
    expect(readFileSync(join(folder, 'out.parquet')).subarray(0, 4).toString()).toBe('PAR1');
    expect(await refusal('predict --local --model model --data customers --out out.xlsx', 2)).toContain('--out');
  });

  test('evaluate reports the model and the baselines on the same customers', async () => {
    const { evaluation } = await json('evaluate --local --model model --data customers');
    const report = EvaluationReport.parse(evaluation);
    expect(report.baselines.mean).toBeDefined();
    expect(report.metrics.rmse).toBeGreaterThan(0);
  });

  test('evaluate says that rows taught the model, whatever file brings them again; of other rows it says what cannot be seen', async () => {
    const codes = async (data: string) => {
      const { evaluation } = await json(`evaluate --local --model model --data ${data}`);
      const { warnings, lint } = EvaluationReport.parse(evaluation);
      return [...warnings.map(({ code }) => code), ...lint.map(({ code, severity }) => `${code} ${severity}`)];
    };
    const { header, rows } = table('customers.csv');
    write('turned.csv', [header, ...rows.toReversed()]);
    expect(await codes('turned.csv')).toEqual(['seen-in-training']);
    write('others.csv', [header, ...rows.slice(1)]);
    expect(await codes('others.csv')).toEqual(['duplicate-rows-across-split info']);
  });

  test('for people there is a table on stdout and progress on stderr', async () => {
    const { code, stdout, stderr } = await clove('evaluate --local --model model --data customers');
    expect(code).toBe(0);
    expect(stdout).toMatch(/RMSE +MAE +R² +MAPE +total bias +Spearman +Gini +decile MAPE/);
    expect(stdout).toMatch(/^ {2}feedforward .*\d/m);
    expect(stdout).toMatch(/^ {2}mean .*\d/m);
    expect(stderr).toMatch(/✓ evaluate/);
  });

  test('the same seed gives the same model bytes, another seed others', async () => {
    await json(`train --local --data customers --out again ${SMALL}`);
    await json(`train --local --data customers --out other --seed 43 ${SMALL}`);
    expect(sha('again/model.onnx')).toBe(sha('model/model.onnx'));
    expect(sha('other/model.onnx')).not.toBe(sha('model/model.onnx'));
  });

  test('a category that training never saw is scored, reported and counted', async () => {
    const { header, rows } = table('customers.csv');
    const segment = header.indexOf('customer_segment');
    write('segments.csv', [header, ...rows.slice(0, 50).map((row, i) => (i < 7 ? row.with(segment, 'Z') : row))]);
    const result = await json('predict --local --model model --data segments.csv --out segments-out.csv');
    expect(table('segments-out.csv').rows).toHaveLength(50);
    const warnings = result['warnings'] as Warning[];
    expect(
      warnings.filter((warning) => warning.message.includes('customer_segment') && warning.count === 7),
    ).toHaveLength(1);
  });

  test('12 of 16 features missing is an error that names them', async () => {
    const { header, rows } = table('customers.csv');
    write(
      'narrow.csv',
      [header, ...rows].map((row) => row.slice(0, 4)),
    );
    const message = await refusal('predict --local --model model --data narrow.csv', 3);
    for (const missing of header.slice(4, 16)) expect(message).toContain(missing);
  });

  test('a target that does not vary is refused', async () => {
    const { header, rows } = table('customers.csv');
    write('constant.csv', [header, ...rows.map((row) => row.with(header.indexOf('clv'), '5'))]);
    expect(await refusal(`train --local --data constant.csv --out no ${SMALL}`, 3)).toContain('clv');
    expect(readdirSync(folder)).not.toContain('no');
  });

  test('a target that is not there is refused by name', async () => {
    expect(await refusal(`train --local --data customers.csv --out no --target revenue`, 3)).toContain('revenue');
  });
});

describe('data that leak', () => {
  const verdictOf = (page: string): string =>
    /<div class="verdict (.*?)<\/div>\s*<\/div>/s
      .exec(read(page))![1]!
      .replaceAll(/<[^>]+>|\s+/g, ' ')
      .replaceAll('&quot;', '"');
  /** Customers whose orders, order value and age tell nothing of each other. */
  const shoppers = Array.from({ length: 900 }, (_, i) => [1 + ((i * 7919) % 23), 5 + ((i * 104_729) % 997) / 10]);
  const csv = (name: string, clv: (orders: number, value: number, i: number) => number, twice = 0) => {
    const rows = shoppers.map(([orders = 0, value = 0], i) => [
      ...[orders, value.toFixed(1), 20 + ((i * 31) % 50)].map(String),
      clv(orders, value, i).toFixed(2),
    ]);
    write(name, [['total_orders', 'order_value', 'age', 'clv'], ...rows, ...rows.slice(0, twice)]);
  };

  test('a target that is computed from features: said on the screen, and first of all in the report, by their names', async () => {
    csv('computed.csv', (orders, value) => 0.7 * orders * value);
    const trained = await json(`train --local --data computed.csv --out leaky ${SMALL}`);
    expect((trained['warnings'] as Warning[]).map(({ code }) => code)).toContain('target-is-function-of-features');
    await json('report --model ./leaky --out leaky.html');
    expect(verdictOf('leaky.html')).toMatch(/leak: do not use .*"total_orders", "order_value".*computed from the feat/);
  });

  test('customers who were entered twice: the report says that the figures may flatter, and how many they are', async () => {
    const noise = (i: number) => ((i * 48_271) % 2_147_483_647) / 2_147_483_647;
    csv('twice.csv', (orders, value, i) => 10 * orders + value + 900 * noise(i * i + 7), 300);
    const trained = await json(`train --local --data twice.csv --out twice ${SMALL}`);
    expect((trained['warnings'] as Warning[]).map(({ code }) => code)).toContain('duplicate-rows-across-split');
    await json('report --model ./twice --out twice.html');
    const verdict = verdictOf('twice.html');
    expect(verdict).toMatch(/\d+ of 240 test rows .* the same features and the same target/);
    expect(verdict).toMatch(/may flatter|gates failed/);
  });
});

describe('leaderboard', () => {
  test('prints protocol, winner and rows with every figure, and writes the winner and its charts', async () => {
    await json('generate --generator features --customers 150 --seed 8 --out few.csv');
    const ranked = await json('leaderboard --local --data few.csv --seeds 1 --threads 1 --out won --plot ranking');
    expect(Object.keys(ranked).slice(0, 3)).toEqual(['protocol', 'winner', 'rows']);
    const rows = ranked['rows'] as { model: string; family: string; metrics: object; sd: object }[];
    expect(rows.map(({ model }) => model)).toContain(ranked['winner']);
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(['model', 'family', 'metrics', 'sd']);
      expect(Object.keys(row.metrics)).toEqual(
        'rmse mae r2 mape totalBias spearman normalizedGini rawGini decileMape wape auc brier coverage80'.split(' '),
      );
      expect(row).toMatchObject({ family: expect.any(String), sd: expect.any(Object) });
    }
    expect(readdirSync(join(folder, 'ranking'))).toEqual(
      expect.arrayContaining(['leaderboard.svg', 'leaderboard.png']),
    );

    await json('report --model ./won --out won.html');
    expect(read('won.html')).toContain(`Winner: ${ranked['winner'] as string}`);
    const { prediction } = await json('predict --local --model won --data few.csv --out won.csv');
    expect(prediction).toMatchObject({ rows: 150 });
  }, 180_000);

  test('a network that wins keeps its checkpoint', async () => {
    await json('generate --generator features --customers 150 --seed 8 --out few-2.csv');
    await json('leaderboard --local --data few-2.csv --seeds 1 --threads 1 --models feedforward-mse --out net');
    expect(readdirSync(join(folder, 'net'))).toEqual(expect.arrayContaining(['checkpoint.safetensors', 'model.onnx']));
  }, 60_000);

  test('ranks the models that are asked for, the baselines beside them; names that are none are refused with the list', async () => {
    await json('generate --generator transactions --customers 250 --seed 8 --out few-orders.csv');
    const ranked = await json(
      'leaderboard --local --data few-orders.csv --horizon 60 --seeds 1 --threads 1 --models mbg-nbd,ensemble-mean',
    );
    const rows = ranked['rows'] as { model: string; family: string }[];
    const asked = rows.filter(({ family }) => family !== 'baseline').map(({ model }) => model);
    expect(asked).toHaveLength(2);
    expect(asked).toEqual(
      expect.arrayContaining(['mbg-nbd', expect.stringMatching(/^mean of \S+, networks and trees$/)]),
    );
    expect(asked).toContain(ranked['winner']);
    expect(rows.filter(({ family }) => family === 'baseline')).toHaveLength(3);

    const refused = await refusal('leaderboard --local --data few-orders.csv --models mbg-nbd,lightgbm', 2);
    expect(refused).toMatch(/--models.*bg-nbd, mbg-nbd, pareto-nbd.*trees-tweedie/);
    expect(await refusal('leaderboard --local --data few-orders.csv --models trees-mse', 2)).toMatch(
      /trees-mse is not for orders\. To choose from: bg-nbd/,
    );
  }, 180_000);
});

describe('fit', () => {
  test('prints parameters, their errors and the log-likelihood of a summary or of orders', async () => {
    write('summary.csv', [
      ['ID', 'x', 't_x', 'T'],
      ...Array.from({ length: 400 }, (_, i) => {
        const x = i % 5 === 0 ? (i % 7) + 1 : 0;
        return [String(i), String(x), String(x === 0 ? 0 : i % 2 === 0 ? 4 : 30), '38'];
      }),
    ]);
    const fitted = await json('fit bg-nbd --data summary.csv');
    expect(fitted).toMatchObject({ model: 'bg-nbd', customers: 400, logLikelihood: expect.any(Number) });
    expect(Object.keys(fitted['parameters'] as object)).toEqual(['r', 'alpha', 'a', 'b']);
    expect(Object.keys(fitted['standardErrors'] as object)).toEqual(['r', 'alpha', 'a', 'b']);
    const { stdout } = await clove('fit bg-nbd --data summary.csv');
    expect(stdout).toMatch(/alpha +[\d.]+ +[\d.]+/);

    await json('generate --generator transactions --customers 300 --seed 5 --out orders-to-fit.csv');
    expect(await json('fit mbg-nbd --data orders-to-fit.csv')).toMatchObject({ customers: 300, unit: 'weeks' });
  });

  test('of what the model cannot be fitted to says what it takes', async () => {
    expect(await refusal('fit sbg --data summary.csv', 3)).toContain('survival');
    expect(await refusal('fit bg-nbd --data customers.csv', 3)).toContain('t_x');
    expect(await refusal('fit sparrow --data summary.csv', 2)).toContain('pareto-nbd');
  });
});

describe('an order history', () => {
  test('ingest once, then train and predict on the dataset folder', async () => {
    await json('generate --generator transactions --customers 400 --seed 5 --out orders.csv.gz');
    const { dataset } = await json('ingest --local --data orders.csv.gz --out shop');
    const profile = DatasetProfile.parse((dataset as { profile: unknown }).profile);
    expect(profile).toMatchObject({ kind: 'transactions', rejectedRows: 0 });

    const trained = await json(`train --local --data shop --out shop-model --horizon-days 60 --origins 2 ${SMALL}`);
    const evaluation = EvaluationReport.parse(trained['evaluation']);
    expect(evaluation.protocol).toMatchObject({ name: 'forward', horizonDays: 60 });
    expect(evaluation.protocol.trainingOrigins).toHaveLength(2);

    const { prediction } = await json('predict --local --model shop-model --data shop --out shop.csv');
    expect(prediction).toMatchObject({ rows: profile.customers, asOf: profile.lastTime?.slice(0, 10) });
    expect(table('shop.csv').rows).toHaveLength(profile.customers);
  }, 120_000);

  test('an evaluation on the same orders holds what the training held: figures, tracking, heat maps, intervals', async () => {
    await json('generate --generator transactions --customers 400 --seed 6 --out orders-6.csv');
    const asked = '--horizon-days 60 --origins 2 --model bg-nbd';
    const trained = await json(`train --local --data orders-6.csv --out buyers ${asked}`);
    const own = EvaluationReport.parse(trained['evaluation']);
    expect(own.detail!.tracking!.length).toBeGreaterThan(20);
    expect(own.detail!.recencyFrequency!.cells.length).toBeGreaterThan(5);
    expect(own.detail!.forecaster).toBe('bg-nbd');
    const again = await json(
      `evaluate --local --model buyers --data orders-6.csv --test-origin ${own.protocol.testOrigin}`,
    );
    const report = EvaluationReport.parse(again['evaluation']);
    expect(report.metrics).toEqual(own.metrics);
    expect(report.detail).toEqual(own.detail);

    await json('generate --generator transactions --customers 300 --seed 7 --out orders-7.csv');
    const other = EvaluationReport.parse(
      (await json('evaluate --local --model buyers --data orders-7.csv'))['evaluation'],
    );
    expect(other.detail!.tracking!.length).toBeGreaterThan(20);
    expect(other.detail!.recencyFrequency!.cells.reduce((sum, { rows }) => sum + rows, 0)).toBe(other.testCustomers);
  }, 120_000);
});

describe("a new user's mistakes", () => {
  test('a preset that does not fit the file', async () => {
    expect(await refusal('ingest --local --data customers.csv --preset olist --out no', 3)).toMatch(/olist/);
  });

  test('a column that is not there', async () => {
    write('orders.csv', [
      ['who', 'when', 'paid'],
      ['a', '2024-01-01', '5'],
    ]);
    expect(
      await refusal('ingest --local --data orders.csv --customer buyer --time when --amount paid --out no', 3),
    ).toMatch(/buyer/);
  });

  test('an empty file, and a file with a header and no row', async () => {
    writeFileSync(join(folder, 'empty.csv'), '');
    expect(await refusal('ingest --local --data empty.csv --out no', 3)).toContain('empty.csv');
    writeFileSync(join(folder, 'header.csv'), read('customers.csv').split('\n')[0] + '\n');
    expect(await refusal('predict --local --model model --data header.csv', 3)).toContain('header.csv');
  });

  test('a file that is not there', async () => {
    expect(await refusal('train --local --data nowhere.csv', 3)).toMatch(/--data nowhere\.csv: there is no such file/);
  });

  test('orders for a model that takes customers: the message says which it takes', async () => {
    const orders = Array.from({ length: 200 }, (_, i) => [`c${i % 20}`, `2024-01-${10 + (i % 20)}`, String(i % 50)]);
    write('orders.csv', [['customer_id', 'date', 'amount'], ...orders]);
    const message = await refusal('predict --local --model model --data orders.csv', 3);
    expect(message).toMatch(/trained on customers, one a row \(features\).*180 of 200 rows.*choose another model/);
  });

  test('a model folder that is none', async () => {
    expect(await refusal('predict --local --model . --data customers.csv', 2)).toMatch(/--model \..*model\.json/);
  });

  test('flags that do not go together, or are missing', async () => {
    expect(await refusal('train --local', 2)).toContain('--data');
    expect(await refusal('train --local --dataset ds_1 --data customers.csv', 2)).toContain('--dataset');
    expect(await refusal('train --local --url http://127.0.0.1:1 --data customers.csv', 2)).toContain('--url');
    expect(await refusal('predict --local --data customers.csv', 2)).toContain('--model');
  });

  test('a folder of other things is no place for a model; a model there is replaced, and that is said', async () => {
    mkdirSync(join(folder, 'photos'));
    write('photos/model.json', [['{"mine": true}']]);
    const message = await refusal(`train --local --data customers --out photos ${SMALL}`, 2);
    expect(message).toMatch(/--out: .*photos holds files \(model\.json\) and no model of clove/);
    expect(await refusal('leaderboard --local --data customers --out photos', 2)).toContain('photos');
    expect(read('photos/model.json')).toContain('mine');
    await json(`train --local --data customers --out replaced ${SMALL}`);
    const { stderr } = await clove(`train --local --data customers --out replaced ${SMALL}`);
    expect(stderr).toContain(`The model that was in ${join(folder, 'replaced')} is replaced.`);
  });

  test('a place that cannot be written is said before the work is done', async () => {
    expect(await refusal('train --local --data customers --out customers.csv/model', 2)).toMatch(/--out.*no folder/);
  });

  test('no server there', async () => {
    const port = await freePort();
    expect(await refusal(`jobs list --url http://127.0.0.1:${port}`, 4)).toMatch(/clove start/);
  });

  test('with --json, a program finds one document on stdout even then', async () => {
    const failed = await clove('train --local --data nowhere.csv --json');
    expect([failed.code, JSON.parse(failed.stdout)]).toEqual([
      3,
      { error: { code: 'data-unreadable', message: expect.stringContaining('nowhere.csv') as string } },
    ]);
    const usage = await clove('train --epochs none --json');
    expect([usage.code, JSON.parse(usage.stdout)]).toMatchObject([2, { error: { code: 'invalid-input' } }]);
  });
});

describe('the command itself', () => {
  test('--help exits 0 and documents the exit codes', async () => {
    const { code, stdout } = await clove('--help');
    expect(code).toBe(0);
    for (const name of [
      'demo',
      'start',
      'ingest',
      'generate',
      'train',
      'evaluate',
      'predict',
      'models',
      'jobs',
      'doctor',
    ])
      expect(stdout).toMatch(new RegExp(`^  ${name} `, 'm'));
    expect(stdout).toContain('Exit codes:');
  });

  test('Ctrl-C during local work cancels it: exit code 130, nothing written', async () => {
    const child = spawn(
      process.execPath,
      [MAIN, ...'train --local --data customers --out cut --epochs 10000 --patience 10000'.split(' ')],
      { cwd: folder, env: { PATH: process.env['PATH'], CLOVE_HOME: folder } },
    );
    let stderr = '';
    let interrupted = false;
    const code = await new Promise<number | null>((resolve, reject) => {
      child.stderr.setEncoding('utf8').on('data', (text: string) => {
        stderr += text;
        // Once the training has begun; a second signal would end the process at once.
        if (/· train /.test(stderr) && !interrupted) interrupted = child.kill('SIGINT');
      });
      child.on('error', reject);
      child.on('close', resolve);
    });
    expect([code, stderr]).toEqual([130, expect.stringMatching(/error: .*[Cc]ancelled/)]);
    expect(readdirSync(folder)).not.toContain('cut');
  });
});
