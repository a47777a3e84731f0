import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { RowPage } from '@clove/contracts';
import { client, offline, forgive, signedIn } from './support.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'clove-browser-'));
});
afterAll(() => rm(folder, { recursive: true }));

const file = async (name: string, text: string): Promise<string> => {
  const target = path.join(folder, name);
  await writeFile(target, text);
  return target;
};

/** An order file whose header leaves one thing open: which of two columns is the amount. */
const ORDERS = [
  'buyer_id;bought_at;gross;net;town',
  ...Array.from({ length: 300 }, (_, n) => {
    const day = new Date(Date.UTC(2024, 0, 1 + n)).toISOString().slice(0, 10);
    return `B${n % 40};${day};${10 + (n % 7)}.50;${8 + (n % 7)}.50;Town ${n % 3}`;
  }),
  'B1;yesterday;5;4;Town 1',
  ';2024-03-01;5;4;Town 1',
].join('\n');

test('an order file is dropped, its columns are guessed and corrected, and its dataset shows rows, profile and what was rejected', async () => {
  const page = await signedIn('/datasets');
  await page.getByRole('link', { name: 'New dataset' }).click();
  await page.getByLabel('CSV or Parquet files').setInputFiles(await file('shop.csv', ORDERS));
  await page.getByRole('button', { name: 'Continue' }).click();

  await page.getByText('The first rows of shop.csv').waitFor();
  const chosen = (label: string) => page.getByRole('combobox', { name: label }).innerText();
  expect(await chosen('Customer')).toBe('buyer_id');
  expect(await chosen('Date or time')).toBe('bought_at');
  // no name says which column is the money, so the user does
  await page.getByText('Choose the column of the amount').waitFor();
  expect(await page.getByRole('button', { name: 'Upload the file' }).isDisabled()).toBe(true);
  await page.getByRole('combobox', { name: 'Amount' }).click();
  await page.getByRole('option', { name: 'gross' }).click();
  await page.getByRole('textbox', { name: 'Currency' }).fill('gbp');
  await page.getByRole('textbox', { name: 'Name of the dataset' }).fill('My shop');
  await page.getByRole('button', { name: 'Upload the file' }).click();

  await page.waitForURL(/\/datasets\/ds_/);
  const id = /ds_\w+/.exec(page.url())![0];
  await page.getByRole('heading', { name: 'My shop' }).waitFor();
  await page.getByRole('tab', { name: 'Rows (300)' }).waitFor();
  const profile = await client.get(`/v1/datasets/${id}/profile`);
  expect(profile).toMatchObject({ rows: 300, customers: 40, rejectedRows: 2, currency: 'GBP' });
  expect(await page.getByRole('main').innerText()).toContain('£');
  await page.getByRole('row', { name: /^gross/ }).waitFor({ state: 'detached' });
  await page.getByRole('img', { name: /^Histogram of amount/ }).waitFor();

  await page.getByRole('tab', { name: 'Rejected (2)' }).click();
  await page.getByRole('cell', { name: 'yesterday' }).waitFor();
  // the tab is part of the address: a reload shows it again
  await page.reload();
  await page.getByRole('cell', { name: 'yesterday' }).waitFor();

  await page.getByRole('tab', { name: 'Rows (300)' }).click();
  await page.getByRole('searchbox', { name: 'Find a customer' }).fill('B39');
  const found = await client.get<RowPage>(`/v1/datasets/${id}/rows?search=B39`);
  await page.getByText(`${found.total} rows`).waitFor();

  await page.getByRole('button', { name: 'Delete the dataset' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete the dataset' }).click();
  await page.waitForURL(/\/datasets$/);
  expect((await client.call('GET', `/v1/datasets/${id}`)).status).toBe(404);
});

test('the example generator checks its fields before it sends them, and makes a dataset', async () => {
  const page = await signedIn('/datasets/new?from=generator');
  await page.getByRole('spinbutton', { name: 'Customers' }).fill('0');
  await page.getByRole('button', { name: 'Generate' }).click();
  await page.getByText(/>=\s*1/).waitFor();
  await page.getByRole('spinbutton', { name: 'Customers' }).fill('150');
  await page.getByRole('textbox', { name: 'Name' }).fill('Made up');
  await page.getByRole('button', { name: 'Generate' }).click();
  await page.waitForURL(/\/datasets\/ds_/);
  await page.getByRole('heading', { name: 'Made up' }).waitFor();
  await page.getByRole('tab', { name: /^Rows/ }).waitFor();
  const id = /ds_\w+/.exec(page.url())![0];
  expect(await client.get(`/v1/datasets/${id}`)).toMatchObject({ status: 'ready', customers: 150 });
});

test('a file that cannot be read is told of with its reason, before anything is sent', async () => {
  const page = await signedIn('/datasets/new');
  await page.getByLabel('CSV or Parquet files').setInputFiles(await file('empty.csv', ''));
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByText('empty.csv holds no rows').waitFor();
});

test('an upload whose network is cut says so, and goes through on the second try', async () => {
  const page = await signedIn('/datasets/new');
  await page.getByLabel('CSV or Parquet files').setInputFiles(await file('orders.csv', ORDERS));
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('combobox', { name: 'Amount' }).click();
  await page.getByRole('option', { name: 'net' }).click();
  await offline(page, true);
  await page.getByRole('button', { name: 'Upload the file' }).click();
  await page.getByText('The upload failed').waitFor();
  await offline(page, false);
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.waitForURL(/\/datasets\/ds_/);
  await page.getByRole('tab', { name: 'Rows (300)' }).waitFor();
  forgive(page, /ERR_INTERNET_DISCONNECTED|net::/);
});
