import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Page as ListOf, Prediction, PredictionReport, RowPage } from '@clove/contracts';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { client, download, forgive, offline, signedIn, stackUrl } from './support.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clove-predict-'));
  const dataset = await client.accepted('/v1/datasets/generate', {
    generator: 'features',
    customers: 600,
    name: 'Known',
  });
  await client.settled(dataset.job.id);
  const run = await client.accepted('/v1/runs', { datasetId: dataset.id, epochs: 5, modelName: 'customers' });
  expect((await client.settled(run.job.id)).status).toBe('succeeded');
});
afterAll(() => rm(folder, { recursive: true }));

/** The file as the browser downloads it is the file of the API. */
const sameAs = async (bytes: Buffer, address: string) => {
  const answer = await fetch(new URL(address, stackUrl), {
    headers: { authorization: `Bearer ${inject('stackApiKey')}` },
  });
  expect(answer.status).toBe(200);
  expect(bytes.equals(Buffer.from(await answer.arrayBuffer()))).toBe(true);
};

test('three steps lead from a model and the sample file to predictions, their truth, and files equal to those of the API', async () => {
  const page = await signedIn('/predict?model=customers@1');
  // 1: what the model is
  await page.getByText('Feed-forward network', { exact: true }).waitFor();
  await page.getByText('128 – 256 – 128 – 64').waitFor();
  await page.getByRole('button', { name: 'Continue with customers version 1' }).click();

  // 2: the sample file, downloaded and given back
  const sample = await download(page, () => page.getByRole('link', { name: 'Download a sample CSV' }).click());
  expect(sample.bytes.toString()).toContain('avg_order_value');
  const file = path.join(folder, 'sample.csv');
  await writeFile(file, sample.bytes);
  await page.getByLabel('Customers as CSV or Parquet, one row each').setInputFiles(file);
  await page.getByRole('button', { name: 'Upload', exact: true }).click();
  await page.getByRole('row', { name: /^age/ }).waitFor();
  await page.getByRole('columnheader', { name: 'Missing' }).waitFor();
  await page.getByText('holds the truth').waitFor();

  // 3: results
  await page.getByRole('button', { name: /^Predict \d+ customers$/ }).click();
  await page.waitForURL(/\/predict\/prd_/);
  const id = /prd_\w+/.exec(page.url())![0];
  await page.getByRole('heading', { name: 'Summary' }).waitFor();
  const prediction = await client.get<Prediction>(`/v1/predictions/${id}`);
  const summary = await page.getByRole('region', { name: 'Summary' }).innerText();
  const money = (value: number) =>
    new Intl.NumberFormat('en-US', { minimumFractionDigits: 2, maximumFractionDigits: 2 }).format(value);
  for (const value of ['total', 'mean', 'median', 'sd', 'min', 'max'] as const) {
    expect(summary).toContain(money(prediction.summary![value]));
  }
  const report = await client.get<PredictionReport>(`/v1/predictions/${id}/report`);
  const close = page.getByRole('region', { name: 'How close it came' });
  expect(await close.innerText()).toContain(money(report.actual!.metrics.mae));
  await page.getByLabel(/^Predicted spend per customer/).waitFor();
  await page.getByLabel(/^Calibration by decile/).waitFor();

  const csv = await download(page, () => page.getByRole('link', { name: 'CSV', exact: true }).click());
  expect(csv.name).toMatch(/\.csv$/);
  await sameAs(csv.bytes, `/v1/predictions/${id}/download?format=csv`);
  const parquet = await download(page, () => page.getByRole('link', { name: 'Parquet' }).click());
  await sameAs(parquet.bytes, `/v1/predictions/${id}/download?format=parquet`);

  // the picture of a chart, twice, and of the page
  const save = page.getByRole('button', { name: 'Save' }).first();
  await save.click();
  const svg = await download(page, () => page.getByRole('menuitem', { name: 'Picture (SVG)' }).click());
  expect(svg.bytes.toString()).toMatch(/^<svg[\s\S]*Predicted spend per customer/);
  await save.click();
  const png = await download(page, () => page.getByRole('menuitem', { name: 'Picture (PNG)' }).click());
  expect(png.bytes.subarray(1, 4).toString()).toBe('PNG');
  await page.getByRole('button', { name: 'Page', exact: true }).click();
  const whole = await download(page, () => page.getByRole('menuitem', { name: 'Picture of this page (PNG)' }).click());
  expect(whole.bytes.subarray(1, 4).toString()).toBe('PNG');
  expect(whole.bytes.readUInt32BE(20)).toBeGreaterThan(2000);
});

test('a file that lacks columns is told of before it is predicted, and refused where most are missing', async () => {
  const page = await signedIn('/predict?model=customers@1&step=data');
  const give = async (name: string, text: string) => {
    const file = path.join(folder, name);
    await writeFile(file, text);
    await page.getByLabel('Customers as CSV or Parquet, one row each').setInputFiles(file);
    await page.getByRole('button', { name: 'Upload', exact: true }).click();
    await page.getByRole('button', { name: /^Predict \d+ customers$/ }).waitFor();
  };
  const sample = await client.call<string>('GET', '/v1/sample.csv?kind=features');
  const rows = sample.body
    .trim()
    .split('\n')
    .map((line) => line.split(','));
  await give('less.csv', rows.map((row) => [...row.slice(1), 'x'].join(',')).join('\n'));
  await page.getByText(/age/).first().waitFor();
  expect(await page.getByRole('alert').allInnerTexts()).toEqual(
    expect.arrayContaining([expect.stringContaining('age')]),
  );
  expect(await page.getByRole('button', { name: /^Predict \d+ customers$/ }).isEnabled()).toBe(true);
  await page.getByRole('button', { name: 'Other data' }).click();
  await give('few.csv', rows.map((row) => row.slice(0, 3).join(',')).join('\n'));
  await page.getByText('More than half of the columns').waitFor();
  expect(await page.getByRole('button', { name: /^Predict \d+ customers$/ }).isDisabled()).toBe(true);
});

test('the predictions are sorted, filtered and paged by the server, and live through a network that is cut', async () => {
  const { items } = await client.get<ListOf<{ id: string; name: string }>>('/v1/datasets?limit=200');
  const dataset = items.find(({ name }) => name === 'Known')!;
  const started = await client.accepted('/v1/predictions', { datasetId: dataset.id, model: 'customers' });
  await client.settled(started.job.id);
  const rowsOf = (query: string) => client.get<RowPage>(`/v1/predictions/${started.id}/rows?${query}`);

  const page = await signedIn(`/predict/${started.id}`);
  const grid = page.getByRole('grid', { name: 'Predicted customers' });
  const first = () => grid.getByRole('row').nth(1).getByRole('gridcell').first().innerText();
  const sorted = await rowsOf('sort=predicted_clv&order=desc&limit=1');
  await grid.getByRole('gridcell', { name: String(sorted.rows[0]![0]), exact: true }).waitFor();
  expect(await first()).toBe(String(sorted.rows[0]![0]));

  await page.getByRole('button', { name: 'Go to next page' }).click();
  const second = await rowsOf('sort=predicted_clv&order=desc&limit=1&offset=100');
  await grid.getByRole('gridcell', { name: String(second.rows[0]![0]), exact: true }).waitFor();

  await page.getByRole('combobox', { name: 'Tier' }).click();
  await page.getByRole('option', { name: /^Platinum/ }).click();
  const platinum = await rowsOf('tier=platinum&limit=1');
  await page.getByText(`${platinum.total} rows`).waitFor();

  await offline(page, true);
  await page.getByRole('searchbox', { name: 'Find a customer' }).fill('1');
  await page.getByText('Clove does not answer').first().waitFor();
  await offline(page, false);
  const found = await rowsOf('tier=platinum&search=1&limit=1');
  await page.getByText(`${found.total} rows`).waitFor();
  forgive(page, /ERR_INTERNET_DISCONNECTED|net::/);
});

test('a model file that was downloaded is uploaded again, becomes a version and predicts', async () => {
  const page = await signedIn('/models/customers/1');
  const model = await download(page, () => page.getByRole('link', { name: 'Download model.onnx' }).click());
  const file = path.join(folder, 'model.onnx');
  await writeFile(file, model.bytes);
  await page.goto('/predict');
  await page.getByRole('button', { name: 'Upload a model file' }).click();
  await page.getByLabel('model.onnx that Clove wrote').setInputFiles(file);
  await page.getByRole('textbox', { name: 'Name in the registry' }).fill('brought-along');
  await page.getByRole('dialog').getByRole('button', { name: 'Upload', exact: true }).click();
  await page.getByRole('button', { name: 'Continue with brought-along version 1' }).waitFor();
});
