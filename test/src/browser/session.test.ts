import { describe, expect, test } from 'vitest';
import { client, forgive, newPage, offline, signedIn, stackUrl } from './support.js';

const REFUSED = /401/;

describe('signing in', () => {
  test('a wrong password is said so, and the right one leads to where one wanted to go', async () => {
    const page = await newPage();
    await page.goto('/jobs?status=failed');
    await page.waitForURL('**/sign-in?from=%2Fjobs%3Fstatus%3Dfailed');
    await page.getByLabel('User name').fill('admin');
    await page.getByLabel('Password').fill('not this one');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('The user name or the password is wrong').waitFor();
    await page.getByLabel('Password').fill('admin');
    await page.keyboard.press('Enter');
    await page.waitForURL('**/jobs?status=failed');
    await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
    expect(await page.title()).toBe('Jobs · Clove');
    forgive(page, REFUSED);
  });

  test('an address outside of the app is not followed after signing in', async () => {
    const page = await newPage();
    await page.goto('/sign-in?from=//example.com/');
    await page.getByLabel('User name').fill('admin');
    await page.getByLabel('Password').fill('admin');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('navigation', { name: 'Main' }).waitFor();
    expect(page.url()).toBe(`${stackUrl}/`);
    forgive(page, REFUSED);
  });

  test('a session that ends meanwhile leads to the sign-in page, and from there back to the page where one was', async () => {
    const page = await signedIn('/datasets');
    await page.getByRole('heading', { name: 'Datasets', level: 1 }).waitFor();
    await page.context().clearCookies();
    await page.getByRole('link', { name: 'Jobs' }).click();
    await page.waitForURL('**/sign-in?from=%2Fjobs');
    await page.getByText('You come back to the page where you were').waitFor();
    await page.getByLabel('User name').fill('admin');
    await page.getByLabel('Password').fill('admin');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.waitForURL('**/jobs');
    expect((await page.request.get('/v1/me')).status()).toBe(200);
    forgive(page, REFUSED);
  });

  test('signing out ends the session, and going back shows nothing of it', async () => {
    const page = await signedIn('/settings');
    await page.getByRole('button', { name: 'Sign out', exact: true }).click();
    await page.waitForURL('**/sign-in');
    expect((await page.request.get('/v1/me')).status()).toBe(401);
    await page.goBack();
    await page.waitForURL('**/sign-in**');
    forgive(page, REFUSED);
  });
});

test('with the network cut the app says so, keeps what it shows, and goes on by itself when it is back', async () => {
  const page = await signedIn('/datasets');
  await page.getByRole('heading', { name: 'Datasets', level: 1 }).waitFor();
  await offline(page, true);
  await page.getByText('Clove does not answer').waitFor();
  expect(await page.getByRole('heading', { name: 'Datasets', level: 1 }).isVisible()).toBe(true);
  const { id } = await client.accepted('/v1/datasets/generate', {
    generator: 'features',
    customers: 30,
    name: 'Made meanwhile',
  });
  expect(id).toMatch(/^ds_/);
  await offline(page, false);
  await page.getByText('Clove does not answer').waitFor({ state: 'detached' });
  await page.getByText('Made meanwhile').waitFor();
  forgive(page, /ERR_INTERNET_DISCONNECTED/);
});

test('a page whose code does not arrive says so and can be loaded again; the rest of the app stands', async () => {
  const page = await signedIn('/jobs');
  await page.getByRole('heading', { name: 'Jobs', level: 1 }).waitFor();
  await page.route('**/assets/settings-page-*', (route) => route.abort());
  await page.getByRole('link', { name: 'Settings' }).click();
  await page.getByRole('heading', { name: 'This page could not be loaded' }).waitFor();
  expect(await page.getByRole('navigation', { name: 'Main' }).isVisible()).toBe(true);
  await page.unroute('**/assets/settings-page-*');
  await page.getByRole('button', { name: 'Load again' }).click();
  await page.getByRole('heading', { name: 'Settings', level: 1 }).waitFor();
  forgive(page, /ERR_FAILED|dynamically imported module|React Router caught/);
});

test('without an answer at the start the app says so, and begins by itself when there is one', async () => {
  const page = await signedIn('/nowhere');
  await page.route('**/v1/me', (route) => route.abort());
  await page.reload();
  await page.getByText('Check the connection').waitFor();
  await page.unroute('**/v1/me');
  await page.getByRole('heading', { name: 'There is no such page' }).waitFor();
  forgive(page, /ERR_FAILED/);
});
