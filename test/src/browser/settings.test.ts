import type { ApiKey, Dataset, User } from '@clove/contracts';
import { describe, expect, test } from 'vitest';
import { client, forgive, newPage, signedIn, stackUrl } from './support.js';

describe('API keys', () => {
  test('the secret is shown once, can be copied and works; once revoked it does not', async () => {
    const page = await signedIn('/settings?tab=keys');
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: 'New key' }).click();
    await page.getByLabel('Name').fill('nightly scoring');
    await page.getByRole('button', { name: 'Make key' }).click();
    const dialog = page.getByRole('dialog', { name: 'The key nightly scoring' });
    await dialog.getByRole('button', { name: 'Copy the secret' }).click();
    await dialog.getByText('Copied.').waitFor();
    const secret = await page.evaluate(() => navigator.clipboard.readText());
    expect(await dialog.getByRole('textbox', { name: 'Secret' }).inputValue()).toBe(secret);
    const asks = () => fetch(`${stackUrl}/v1/me`, { headers: { authorization: `Bearer ${secret}` } });
    expect((await asks()).status).toBe(200);

    await dialog.getByRole('button', { name: 'I have stored it' }).click();
    await page.reload();
    await page.getByRole('gridcell', { name: 'nightly scoring', exact: true }).waitFor();
    expect(await page.content()).not.toContain(secret);

    await page.getByRole('button', { name: 'Revoke nightly scoring' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Revoke key' }).click();
    await page.getByRole('gridcell', { name: 'Revoked' }).waitFor();
    expect((await asks()).status).toBe(401);
    const { items } = await page.request
      .get('/v1/api-keys')
      .then((answer) => answer.json() as Promise<{ items: ApiKey[] }>);
    expect(items.find(({ name }) => name === 'nightly scoring')?.revokedAt).not.toBeNull();
  });
});

describe('users', () => {
  test('a user is made, signs in with the role given, and sees no users; disabled, the user is out', async () => {
    const page = await signedIn('/settings?tab=users');
    await page.getByRole('button', { name: 'New user' }).click();
    const dialog = page.getByRole('dialog', { name: 'New user' });
    await dialog.getByLabel('User name').fill('vera');
    await dialog.getByLabel('Password').fill('a password of hers');
    await dialog.getByLabel('Role').click();
    await page.getByRole('option', { name: 'Viewer' }).click();
    await dialog.getByRole('button', { name: 'Make user' }).click();
    await page.getByRole('gridcell', { name: 'vera', exact: true }).waitFor();
    const { items } = await client.get<{ items: User[] }>('/v1/users');
    expect(items.find(({ username }) => username === 'vera')?.role).toBe('viewer');

    const hers = await newPage();
    await hers.goto('/settings?tab=users');
    await hers.getByLabel('User name').fill('vera');
    await hers.getByLabel('Password').fill('a password of hers');
    await hers.getByRole('button', { name: 'Sign in' }).click();
    await hers.getByRole('tab', { name: 'Account' }).waitFor();
    expect(await hers.getByRole('tab', { name: 'Users' }).count()).toBe(0);
    expect(await hers.getByText('Viewer').isVisible()).toBe(true);

    await page.getByRole('button', { name: 'Change vera' }).click();
    await page.getByRole('menuitem', { name: 'Disable' }).click();
    await page.getByRole('button', { name: 'Disable user' }).click();
    await page.getByRole('gridcell', { name: 'Disabled' }).waitFor();
    await hers.getByRole('link', { name: 'Jobs' }).click();
    await hers.waitForURL('**/sign-in?from=%2Fjobs');
    forgive(hers, /401/);
  });

  test('a password that is too short is refused at its field', async () => {
    const page = await signedIn('/settings');
    await page.getByLabel('Current password').fill('admin');
    await page.getByLabel('New password', { exact: false }).first().fill('short');
    await page.getByLabel('New password, again').fill('other');
    await page.getByText('Is not the same as above').waitFor();
    expect(await page.getByRole('button', { name: 'Change password' }).isDisabled()).toBe(true);
  });
});

test('who did what is told, newest first', async () => {
  await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 20, name: 'For the record' });
  const page = await signedIn('/settings?tab=activity');
  await page.getByRole('gridcell', { name: 'Generate dataset' }).first().waitFor();
  expect(await page.getByRole('gridcell', { name: 'API key' }).first().isVisible()).toBe(true);
});

test('a customer is erased once that was confirmed, and what was done is told', async () => {
  const csv = 'customer,spend,clv\nto-be-erased-31,1,2\nto-be-kept,2,3\n';
  const { id, job } = await client.accepted(
    '/v1/datasets',
    client.upload({ 'two.csv': csv }, { options: JSON.stringify({ kind: 'features' }) }),
  );
  expect((await client.settled(job.id)).status).toBe('succeeded');
  const page = await signedIn('/settings?tab=erasures');
  await page.getByLabel('Customer ids').fill('to-be-erased-31\n\n to-be-erased-31 ');
  await page.getByRole('button', { name: 'Erase', exact: true }).click();
  await page.getByRole('dialog', { name: 'Erase 1 customer?' }).getByRole('button', { name: 'Erase for good' }).click();
  await page.getByRole('alert').getByText('1 of 1 customer found; erased: 1 row of 1 dataset').waitFor();
  await page.getByRole('gridcell', { name: /1 of 1 customer found/ }).waitFor();
  expect(await page.getByLabel('Customer ids').inputValue()).toBe('');
  expect(await client.get<Dataset>(`/v1/datasets/${id}`)).toMatchObject({ customers: 1, erasedCustomers: 1 });
  await page.goto(`/datasets/${id}`);
  await page
    .getByText(/erased/i)
    .first()
    .waitFor();
});
