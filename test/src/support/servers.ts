import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { dataHome, startPostgres, startRedis } from '@clove/runtime';
import type { TestProject } from 'vitest/node';

/**
 * One Postgres and one Redis for the whole run, in a folder of their own that goes away with them. Tests reach them by
 * `inject('databaseUrl')` and `inject('redisUrl')`; each takes a database and a queue prefix of its own.
 */
export async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  // Called for each project too, all of which inherit what the root provides.
  if (!project.isRootProject()) return undefined;
  const home = dataHome(mkdtempSync(path.join(tmpdir(), 'clove-test-')));
  const started = await Promise.allSettled([startPostgres({ home, port: 0 }), startRedis({ home, port: 0 })]);
  const servers = started.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
    rmSync(home, { recursive: true, force: true });
  };
  const failed = started.find((start) => start.status === 'rejected');
  const [postgres, redis] = servers;
  if (failed !== undefined || postgres === undefined || redis === undefined) {
    await stop();
    throw failed?.reason;
  }
  project.provide('databaseUrl', postgres.url);
  project.provide('redisUrl', redis.url);
  return stop;
}
