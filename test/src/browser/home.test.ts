import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Stack, launch } from '@clove/cli';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { api } from '../support/api.js';
import type { Page as ListOf, Prediction } from '@clove/contracts';
import { findings, picture, signedIn } from './support.js';

/** What a job may take on a machine that is busy. */
const WORK = { timeout: 90_000 };

// Only an installation of its own is empty.
const home = mkdtempSync(path.join(tmpdir(), 'clove-empty-'));
let stack: Stack;
beforeAll(async () => {
  stack = await launch({ home, port: 0 });
});
afterAll(async () => {
  await stack?.stop();
  rmSync(home, { recursive: true, force: true });
});

test(
  'an empty installation leads to scored customers in three steps, and a reload in the midst of one loses nothing',
  { timeout: 300_000 },
  async () => {
    const page = await signedIn('/', { baseURL: stack.url });
    await page.getByRole('heading', { name: 'Welcome to Clove', level: 1 }).waitFor();
    const step = page.locator('[aria-current="step"]');
    expect(await findings(page)).toEqual([]);
    await picture(page, 'home, empty');

    await step.getByRole('button', { name: 'Use example orders' }).click();
    await step.getByRole('heading', { name: 'Train a model' }).waitFor(WORK);
    expect(await page.getByText('Example orders: 2,000 customers').isVisible()).toBe(true);

    await step.getByRole('button', { name: 'Train with the usual settings' }).click();
    await step.getByRole('progressbar').waitFor();
    await page.reload();
    await step.getByRole('heading', { name: 'Score your customers' }).waitFor(WORK);

    await step.getByRole('button', { name: 'Predict what customers will spend' }).click();
    await page.waitForURL('**/predict/prd_*');
    const { get, settled } = api(stack.url, stack.apiKey);
    const { items } = await get<ListOf<Prediction>>('/v1/predictions');
    expect(items.map(({ id }) => id)).toEqual([page.url().split('/').at(-1)]);
    expect((await settled(items[0]!.jobId)).status).toBe('succeeded');

    await page.getByRole('link', { name: 'Home' }).click();
    await page.getByRole('heading', { name: 'Home', level: 1 }).waitFor();
    const total = (await get<Prediction>(`/v1/predictions/${items[0]!.id}`)).summary!.total;
    const shown = new Intl.NumberFormat('en-US', { minimumFractionDigits: 0, maximumFractionDigits: 2 }).format(
      Math.abs(total) >= 100_000 ? Math.round(total) : Math.round(total * 100) / 100,
    );
    await page.getByRole('cell', { name: shown }).waitFor();
    await page.getByRole('link', { name: 'Compare models' }).waitFor();
  },
);
