import type { Model, Page as ListOf, Run } from '@clove/contracts';
import { beforeAll, expect, test } from 'vitest';
import { client, forgive, offline, signedIn } from './support.js';

let datasetId: string;
beforeAll(async () => {
  const dataset = await client.accepted('/v1/datasets/generate', {
    generator: 'transactions',
    customers: 500,
    name: 'Training orders',
  });
  await client.settled(dataset.job.id);
  datasetId = dataset.id;
});

const runOf = (address: string): string => /run_\w+/.exec(address)![0];

test('a training is started from its form, told live with curve and log, and shows how good the model is', async () => {
  const page = await signedIn(`/training/new?dataset=${datasetId}`);
  await page.getByRole('spinbutton', { name: 'Horizon in days' }).fill('0');
  await page.getByRole('button', { name: 'Start the training' }).click();
  await page.getByText(/>=\s*1/).waitFor();
  await page.getByRole('spinbutton', { name: 'Horizon in days' }).fill('60');
  await page.getByRole('textbox', { name: 'Name of the model' }).fill('browser');
  await page.getByRole('button', { name: /^Network/ }).click();
  await page.getByRole('textbox', { name: 'Hidden layers' }).fill('16, 8');
  await page.getByRole('button', { name: /^Training/ }).click();
  await page.getByRole('spinbutton', { name: 'Epochs at most' }).fill('6');
  await page.getByRole('button', { name: 'Start the training' }).click();
  await page.waitForURL(/\/training\/run_/);
  const id = runOf(page.url());

  await page.getByLabel(/^Learning curves/).waitFor();
  await page.getByRole('heading', { name: 'How good it is' }).waitFor();
  const run = await client.get<Run>(`/v1/runs/${id}`);
  expect(run.options).toMatchObject({ horizonDays: 60, hidden: [16, 8], epochs: 6 });
  expect(run.evaluation!.protocol.horizonDays).toBe(60);
  const figures = await page.getByRole('region', { name: 'How good it is' }).innerText();
  expect(figures).toContain(
    new Intl.NumberFormat('en-US', { maximumSignificantDigits: 3 }).format(run.evaluation!.metrics.normalizedGini!),
  );
  await page.getByRole('region', { name: 'Log' }).getByText('succeeded').waitFor();
  await page.getByRole('link', { name: 'About the version' }).click();
  await page.waitForURL(/\/models\/browser\/1$/);
});

test('a running training outlives a reload and a network that is cut, and is cancelled from its page', async () => {
  const started = await client.accepted('/v1/runs', { datasetId, epochs: 5000, patience: 5000, modelName: 'endless' });
  const page = await signedIn(`/training/${started.id}`);
  await page.getByRole('progressbar').waitFor();
  await page.getByLabel(/^Learning curves/).waitFor();
  await page.reload();
  await page.getByLabel(/^Learning curves/).waitFor();
  await offline(page, true);
  await offline(page, false);
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Cancelled').first().waitFor();
  expect((await client.settled(started.job.id)).status).toBe('cancelled');
  forgive(page, /ERR_INTERNET_DISCONNECTED|net::|ERR_INCOMPLETE|ERR_NETWORK/);
});

test('runs are compared by figures and by the options in which they differ', async () => {
  const ids: string[] = [];
  for (const dropout of [0, 0.5]) {
    const run = await client.accepted('/v1/runs', { datasetId, epochs: 3, dropout, modelName: 'compared' });
    expect((await client.settled(run.job.id)).status).toBe('succeeded');
    ids.push(run.id);
  }
  const page = await signedIn(`/training/compare?ids=${ids.join(',')}`);
  await page.getByRole('row', { name: /^Ranking/ }).waitFor();
  const options = page.getByRole('region', { name: 'Options', exact: true });
  await options.getByRole('row', { name: /^dropout 0 0\.5/ }).waitFor();
  expect(await options.getByRole('row').count()).toBe(2);
});

test('a version is promoted past a gate only by saying so, rolled back, and the history keeps who and why', async () => {
  for (const epochs of [3, 4]) {
    const run = await client.accepted('/v1/runs', { datasetId, epochs, modelName: 'promoted' });
    expect((await client.settled(run.job.id)).status).toBe('succeeded');
  }
  const page = await signedIn('/models/promoted/2');
  await page.getByRole('heading', { name: 'May it become champion?' }).waitFor();
  await page.getByRole('button', { name: 'Promote' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('table', { name: 'What changes' }).waitFor();
  const gates = dialog.getByRole('list', { name: 'Gates' });
  await gates.waitFor();
  const preview = await client.get<{ passed: boolean }>('/v1/models/promoted/aliases/champion/preview?version=2');
  const move = dialog.getByRole('button', { name: 'Move champion to version 2' });
  expect(await move.isDisabled()).toBe(!preview.passed);
  if (!preview.passed) await dialog.getByRole('checkbox').check();
  await dialog.getByRole('textbox', { name: 'Why' }).fill('for the spring');
  await move.click();
  await dialog.waitFor({ state: 'detached' });
  const championOf = async () => (await client.get<Model>('/v1/models/promoted')).aliases['champion'];
  expect(await championOf()).toBe(2);

  await page.getByRole('link', { name: 'promoted', exact: true }).click();
  await page.getByRole('gridcell', { name: 'for the spring' }).waitFor();
  await page.getByRole('button', { name: 'Roll back' }).click();
  await page.getByRole('dialog').getByText('goes back to version 1').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'Roll back' }).click();
  await page.getByRole('dialog').waitFor({ state: 'detached' });
  expect(await championOf()).toBe(1);
  const { items } = await client.get<ListOf<{ movedBy: string; reason: string }>>('/v1/models/promoted/moves');
  expect(items.filter(({ reason }) => reason === 'for the spring').map(({ movedBy }) => movedBy)).toEqual(['admin']);
});

test('models are compared on a leaderboard whose winner becomes a version', async () => {
  const page = await signedIn(`/leaderboards?dataset=${datasetId}`);
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('combobox', { name: 'Dataset' }).getByText('Training orders').waitFor();
  await dialog.getByRole('spinbutton', { name: 'Seeds' }).fill('1');
  for (const model of ['bg-nbd', 'mbg-nbd']) {
    await dialog.getByRole('combobox', { name: 'Models' }).click();
    await page.getByRole('option', { name: model, exact: true }).click();
  }
  await dialog.getByRole('textbox', { name: 'Name of the model' }).fill('winner');
  await dialog.getByRole('button', { name: 'Compare' }).click();
  await page.waitForURL(/\/leaderboards\/lbd_/);
  await page.getByRole('heading', { name: /^The winner: / }).waitFor({ timeout: 90_000 });
  const rows = page.getByRole('region', { name: 'Every model' }).getByRole('row');
  expect(await rows.count()).toBeGreaterThan(5);
  await page.getByLabel(/^Models and baselines/).waitFor();
  await page.getByRole('link', { name: 'About the winner' }).click();
  await page.waitForURL(/\/models\/winner\/1$/);
});
