import { beforeAll, describe, expect, test } from 'vitest';
import {
  type AppPage,
  DESKTOP,
  LOOKS,
  PHONE,
  client,
  findings,
  fitsSideways,
  forgive,
  newPage,
  picture,
  signedIn,
} from './support.js';

const seen: Record<string, string> = {};
beforeAll(async () => {
  const dataset = await client.accepted('/v1/datasets/generate', {
    generator: 'transactions',
    customers: 400,
    name: 'Everywhere',
  });
  await client.settled(dataset.job.id);
  const run = await client.accepted('/v1/runs', { datasetId: dataset.id, epochs: 3, modelName: 'everywhere' });
  await client.settled(run.job.id);
  const prediction = await client.accepted('/v1/predictions', { datasetId: dataset.id, model: 'everywhere' });
  await client.settled(prediction.job.id);
  Object.assign(seen, { dataset: dataset.id, run: run.id, prediction: prediction.id, job: run.job.id });
});

/** Every page that there is, by address; `seen` fills in the ids. */
const PAGES = [
  '/',
  '/predict',
  '/predict/:prediction',
  '/datasets',
  '/datasets/new',
  '/datasets/:dataset',
  '/training',
  '/training/new',
  '/training/:run',
  '/leaderboards',
  '/models',
  '/models/everywhere',
  '/models/everywhere/1',
  '/jobs',
  '/jobs/:job',
  '/settings',
  '/settings?tab=keys',
  '/settings?tab=users',
  '/settings?tab=activity',
  '/nowhere',
];

/** Tries the page that stands in every look, without loading it anew; a line for everything that is wrong. */
async function inEveryLook(page: AppPage, name: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const { look, colorScheme, viewport } of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize(viewport);
    await page.locator(`html[data-color-scheme="${colorScheme}"]`).waitFor();
    wrong.push(...(await findings(page)).map((finding) => `${name}, ${look}: ${finding}`));
    if (!(await fitsSideways(page))) wrong.push(`${name}, ${look}: does not fit the width`);
    await picture(page, `${name.replaceAll(/\W+/g, '-')}, ${look}`);
  }
  await page.setViewportSize(DESKTOP);
  return wrong;
}

describe('in light and dark, on a desktop and on a phone, nothing serious is found by axe and nothing sticks out:', () => {
  test.each(PAGES)('%s', async (name) => {
    const page = await signedIn(name.replace(/:(\w+)/, (_all, id: string) => seen[id] ?? ''));
    await page.getByRole('main').getByRole('heading').first().waitFor();
    // all has come: nothing says that it is loading, tables have their cells
    const missing = page.locator('[role=grid]:not(:has([role=gridcell])), [role=status]:has-text("Loading")');
    await expect.poll(() => missing.count(), { timeout: 20_000 }).toBe(0);
    expect(await inEveryLook(page, name)).toEqual([]);
    if (name === '/nowhere') return;
    const titles = await page.getByRole('heading', { level: 1 }).allInnerTexts();
    expect(titles).toHaveLength(1);
    expect(await page.title()).toBe(`${titles[0]} · Clove`);
  });

  test('/sign-in', async () => {
    const page = await newPage();
    await page.goto('/sign-in');
    await page.getByRole('heading', { name: 'Sign in to Clove' }).waitFor();
    expect(await inEveryLook(page, '/sign-in')).toEqual([]);
    forgive(page, /401/);
  });
});

describe('by keyboard', () => {
  test('the skip link comes first and leads to the content; the navigation is reached and used with Tab and Enter', async () => {
    const page = await signedIn('/jobs');
    await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to the content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
    await page.getByRole('link', { name: 'Settings' }).focus();
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
    // a new page is read from its start
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
  });

  test('on a phone the navigation opens, closes with Escape, and gives the focus back', async () => {
    const page = await signedIn('/jobs', { viewport: PHONE });
    const button = page.getByRole('button', { name: 'Open the navigation' });
    await button.focus();
    await page.keyboard.press('Enter');
    await page.getByRole('link', { name: 'Models' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('link', { name: 'Models' }).waitFor({ state: 'hidden' });
    expect(await button.evaluate((element) => element === document.activeElement)).toBe(true);
  });

  test('a row of a list is opened with Enter', async () => {
    const page = await signedIn('/jobs');
    await page.getByRole('gridcell').first().focus();
    await page.keyboard.press('Enter');
    await page.waitForURL('**/jobs/job_*');
    await page.getByRole('heading', { level: 1 }).waitFor();
    expect(await page.getByRole('heading', { level: 1 }).innerText()).not.toBe('Jobs');
  });
});

test('the look that one chooses stays after a reload; without a choice it is that of the system', async () => {
  const page = await signedIn('/settings', { colorScheme: 'dark' });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await page.getByRole('button', { name: 'Light', exact: true }).waitFor();
  const dark = await background();
  await page.getByRole('button', { name: 'Light', exact: true }).click();
  await expect.poll(background).not.toBe(dark);
  const light = await background();
  await page.reload();
  await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
  expect(await background()).toBe(light);
});

test('numbers and dates are written as the locale of the browser has them', async () => {
  const page = await signedIn('/datasets', { locale: 'de-DE' });
  const { customers } = await client.get<{ customers: number }>(`/v1/datasets/${seen['dataset']}`);
  await page.getByText('Everywhere').first().waitFor();
  expect(customers).toBe(400);
  await page.goto('/settings?tab=activity');
  await page
    .getByRole('gridcell', { name: /\d{2}\.\d{2}\.\d{4}/ })
    .first()
    .waitFor();
});
