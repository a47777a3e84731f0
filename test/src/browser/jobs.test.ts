import type { Job } from '@clove/contracts';
import { expect, test } from 'vitest';
import { client, forgive, offline, signedIn } from './support.js';

/** A training that takes a while. */
const training = async () => {
  const { id, job } = await client.accepted('/v1/datasets/generate', { generator: 'features', customers: 2000 });
  expect((await client.settled(job.id)).status).toBe('succeeded');
  return client.accepted('/v1/runs', { datasetId: id, epochs: 10_000, patience: 10_000, modelName: 'jobs-test' });
};

test('a job is seen to run in the list and on its page, is cancelled there, and is tried again', async () => {
  const { job } = await training();
  const page = await signedIn('/jobs?kind=train');
  const row = page.getByRole('row').filter({ hasText: 'Training' }).first();
  await row.getByText('Running').waitFor();
  await row.getByText('Training').click();
  await page.waitForURL(`**/jobs/${job.id}`);
  await page.getByRole('main').getByRole('progressbar').waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByText('Cancelled', { exact: true }).first().waitFor();
  expect((await client.get<Job>(`/v1/jobs/${job.id}`)).status).toBe('cancelled');

  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('main').getByRole('progressbar').waitFor();
  await page.getByRole('cell', { name: '2', exact: true }).waitFor();
  await page.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Try again' }).waitFor();
});

test('with the network cut while a job runs, its page stands, and goes on when it is back', async () => {
  const { job } = await training();
  const page = await signedIn(`/jobs/${job.id}`);
  await page.getByRole('main').getByRole('progressbar').waitFor();
  await offline(page, true);
  await page.getByText('Clove does not answer').waitFor();
  expect(await page.getByRole('heading', { name: 'Training', level: 1 }).isVisible()).toBe(true);
  await client.call('POST', `/v1/jobs/${job.id}/cancel`);
  await client.settled(job.id);
  await offline(page, false);
  await page.getByRole('button', { name: 'Try again' }).waitFor();
  forgive(page, /ERR_INTERNET_DISCONNECTED/);
});

test('a job that failed says why and what to do', async () => {
  const upload = client.upload({ 'words.csv': 'a,b\nx,y\nz,w\n' }, { options: '{"kind":"transactions"}' });
  const answer = await client.call<{ job: Job }>('POST', '/v1/datasets', upload);
  const failed = await client.settled(answer.body.job.id);
  expect(failed.status).toBe('failed');
  const page = await signedIn('/jobs?status=failed');
  await page.getByRole('row').filter({ hasText: 'Reading a dataset' }).first().getByText('Reading a dataset').click();
  await page.waitForURL('**/jobs/job_*');
  await page.getByRole('alert').getByText(failed.error!.message).waitFor();
  expect(await page.getByRole('button', { name: 'Try again' }).isVisible()).toBe(true);
});

test('a job that is not there is said so, with the id of the request', async () => {
  const page = await signedIn(`/jobs/job_${'0'.repeat(22)}`);
  await page.getByRole('alert').getByText('not-found').waitFor();
  expect(await page.getByRole('link', { name: 'Jobs' }).first().isVisible()).toBe(true);
  forgive(page, /404/);
});
