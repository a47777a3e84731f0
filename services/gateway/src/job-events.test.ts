import { Accepted, Epoch, Job, JobLogLine, isTerminal } from '@clove/contracts';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { jobEvents, positionOf } from './job-events.js';
import { type TestGateway, bearer, call, openTestGateway } from './test-support.js';

const servers = () => ({ databaseUrl: inject('databaseUrl'), redisUrl: inject('redisUrl') });
let gateway: TestGateway;
let url: string;
beforeAll(async () => {
  gateway = await openTestGateway(servers());
  url = await gateway.app.listen({ host: '127.0.0.1', port: 0 });
});
afterAll(() => gateway.close());

type Event = { id: string; event: string; data: unknown };
/** Reads events one by one, as they come. */
async function* watch(jobId: string, lastEventId?: string, signal?: AbortSignal): AsyncGenerator<Event> {
  const response = await fetch(`${url}/v1/jobs/${jobId}/events`, {
    headers: { ...bearer, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) },
    ...(signal === undefined ? {} : { signal }),
  });
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/event-stream/);
  let text = '';
  for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const blocks = text.split('\n\n');
    text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s).slice(0, 2)));
      if (fields.event !== undefined) yield { id: fields.id, event: fields.event, data: JSON.parse(fields.data) };
    }
  }
}
const poll = async (jobId: string) => Job.parse((await call(gateway.app, 'GET', `/v1/jobs/${jobId}`)).json());
const start = async () => {
  const response = await call(gateway.app, 'POST', '/v1/datasets/generate', { generator: 'features', customers: 1 });
  return Accepted.parse(response.json());
};
const startRun = async () => {
  const dataset = await start();
  await gateway.work.ingest(dataset.job.id, dataset.id);
  return Accepted.parse((await call(gateway.app, 'POST', '/v1/runs', { datasetId: dataset.id })).json());
};
const epoch = (n: number): Epoch => ({
  epoch: n,
  trainLoss: 1 / n,
  validationLoss: 2 / n,
  learningRate: 0.001,
  seconds: 0.1,
});
const jobsOf = (events: Event[]) => events.filter(({ event }) => event === 'job').map(({ data }) => Job.parse(data));
const epochsOf = (events: Event[]) =>
  events.filter(({ event }) => event === 'epoch').map(({ data }) => Epoch.parse(data));

describe('the event stream of a job', () => {
  test('tells each change, the epochs of a training, the end, and then ends: the same story as polling', async () => {
    const { jobs, runs } = gateway.gateway.registry;
    const { id, job } = await startRun();
    const events: Event[] = [];
    const reading = watch(job.id);
    /** Reads on until the stream has told what polling shows. */
    const catchUp = async () => {
      const now = await poll(job.id);
      for (;;) {
        const { value, done } = await reading.next();
        if (done === true) throw new Error('the stream ended early');
        events.push(value);
        if (value.event === 'job' && Job.parse(value.data).revision >= now.revision) break;
      }
      expect(jobsOf(events).at(-1)).toEqual(now);
    };
    await catchUp();
    await jobs.start(job.id, 'a test');
    await catchUp();
    for (const n of [1, 2, 3]) {
      await runs.putEpoch(id, epoch(n));
      await jobs.beat(job.id, 1, { progress: n / 4, stage: `epoch ${n}` });
      await catchUp();
    }
    const version = gateway.work.train(job.id, id);
    for await (const event of reading) events.push(event);
    await version;
    expect(jobsOf(events).at(-1)).toEqual(await poll(job.id));
    expect(jobsOf(events).at(-1)?.status).toBe('succeeded');
    expect(jobsOf(events).filter(({ status }) => isTerminal(status))).toHaveLength(1);
    const revisions = jobsOf(events).map(({ revision }) => revision);
    expect(revisions).toEqual(revisions.toSorted((a, b) => a - b));
    // the run was taken up again before its end, so its epochs may have been told again
    expect([...new Set(epochsOf(events).map((figures) => figures.epoch))]).toEqual([1, 2, 3]);
    expect(epochsOf(events).slice(0, 3)).toEqual([epoch(1), epoch(2), epoch(3)]);
    // the log: stages that differ in figures only are one line, and the stream tells what the route lists
    const told = events.filter(({ event }) => event === 'log').map(({ data }) => JobLogLine.parse(data));
    expect(told.map(({ message }) => message)).toEqual([
      'attempt 1 starts on a test',
      'epoch 1',
      'attempt 2 starts on a test',
      'succeeded',
    ]);
    const listed = (await call(gateway.app, 'GET', `/v1/jobs/${job.id}/log`)).json<{ items: JobLogLine[] }>();
    expect(listed.items).toEqual(told);
    const tail = (await call(gateway.app, 'GET', `/v1/jobs/${job.id}/log?after=2`)).json<{ items: JobLogLine[] }>();
    expect(tail.items).toEqual(told.slice(2));
  });

  test('goes on after Last-Event-ID, and has nothing to say once all is told', async () => {
    const { jobs, runs } = gateway.gateway.registry;
    const { id, job } = await startRun();
    await jobs.start(job.id, 'a test');
    await runs.putEpoch(id, epoch(1));
    await jobs.beat(job.id, 1, { progress: 0.1, stage: 'epoch 1' });
    const first: Event[] = [];
    const leaving = new AbortController();
    for await (const event of watch(job.id, undefined, leaving.signal)) {
      first.push(event);
      if (event.event === 'job') break;
    }
    leaving.abort();
    expect(epochsOf(first)).toEqual([epoch(1)]);

    await runs.putEpoch(id, epoch(2));
    await jobs.beat(job.id, 1, { progress: 0.2, stage: 'epoch 2' });
    await jobs.fail(job.id, 1, { code: 'not-converged', message: 'lower the rate', retryable: false }, { final: true });
    const rest: Event[] = [];
    for await (const event of watch(job.id, first.at(-1)?.id)) rest.push(event);
    expect(epochsOf(rest)).toEqual([epoch(2)]);
    expect(jobsOf(rest)).toEqual([await poll(job.id)]);

    const headers = { 'last-event-id': rest.at(-1)?.id ?? '' };
    const done = await call(gateway.app, 'GET', `/v1/jobs/${job.id}/events`, undefined, headers);
    expect([done.statusCode, done.body]).toEqual([204, '']);
    // whoever never saw it is told the end at once
    const late = await call(gateway.app, 'GET', `/v1/jobs/${job.id}/events`);
    expect(late.body).toContain('"status":"failed"');
  });

  test('tells the epochs of a new attempt from its first', async () => {
    const { jobs, runs } = gateway.gateway.registry;
    const { id, job } = await startRun();
    await jobs.start(job.id, 'a test');
    await runs.putEpoch(id, epoch(1));
    await runs.putEpoch(id, epoch(2));
    await jobs.beat(job.id, 1, { progress: 0.1, stage: 'epoch 2' });
    const reading = watch(job.id);
    const events: Event[] = [];
    for (;;) {
      const { value } = await reading.next();
      events.push(value as Event);
      if ((value as Event).event === 'job') break;
    }
    // the worker is lost, the job is delivered again and starts from the first epoch
    await jobs.start(job.id, 'another');
    await runs.clearEpochs(id);
    await runs.putEpoch(id, { ...epoch(1), trainLoss: 9 });
    await jobs.beat(job.id, 2, { progress: 0.05, stage: 'epoch 1' });
    await jobs.fail(job.id, 2, { code: 'internal', message: 'x', retryable: false }, { final: true });
    for await (const event of reading) events.push(event);
    expect(epochsOf(events).at(-1)?.trainLoss).toBe(9);
  });

  test('of a job that is not there is a problem, not a stream', async () => {
    const response = await call(gateway.app, 'GET', `/v1/jobs/job_${'0'.repeat(22)}/events`);
    expect(response.statusCode).toBe(404);
    expect(response.headers['content-type']).toMatch(/problem\+json/);
  });

  test('stops asking Postgres when the reader leaves', async () => {
    const { job } = await start();
    let asked = 0;
    const { registry } = gateway.gateway;
    const counting = {
      ...registry,
      jobs: {
        ...registry.jobs,
        get: (id: string) => {
          asked += 1;
          return registry.jobs.get(id);
        },
      },
    };
    const reader = new AbortController();
    const stream = jobEvents(counting, job.id, positionOf(undefined), reader.signal);
    await stream.next();
    expect((await stream.next()).value).toContain('event: job');
    reader.abort();
    expect(await stream.next()).toMatchObject({ done: true });
    expect(asked).toBe(1);
  });

  test('ends when the gateway closes', async () => {
    const other = await openTestGateway(servers());
    const address = await other.app.listen({ host: '127.0.0.1', port: 0 });
    const made = await call(other.app, 'POST', '/v1/datasets/generate', { generator: 'features', customers: 1 });
    const { job } = Accepted.parse(made.json());
    const response = await fetch(`${address}/v1/jobs/${job.id}/events`, { headers: bearer });
    const reader = response.body!.getReader();
    await reader.read();
    await other.close();
    for (;;) if ((await reader.read()).done) break;
    expect(response.status).toBe(200);
  });

  test('reads only positions of its own', () => {
    expect(positionOf('12.1.3.7')).toEqual({ revision: 12, attempt: 1, epoch: 3, line: 7 });
    for (const bad of [undefined, '', '12', '1.2', '-1.0.0.0', '1.2.3', '1.2.3.4.5', '9999999999.1.1.1', 'w.x.y.z']) {
      expect(positionOf(bad)).toEqual({ revision: 0, attempt: 0, epoch: 0, line: 0 });
    }
  });
});
