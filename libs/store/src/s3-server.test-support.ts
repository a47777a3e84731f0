import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** Debian's packages with OpenStack Swift, which speaks S3. */
const PROGRAMS = ['proxy', 'account', 'container', 'object'] as const;
export const SWIFT_PACKAGES = PROGRAMS.map((name) => `swift-${name}`).join(' ');
export const hasSwift = PROGRAMS.every((name) => existsSync(`/usr/bin/swift-${name}-server`));

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

const storage = (name: string, dir: string, port: number) => `[DEFAULT]
swift_dir = ${dir}
devices = ${dir}/devices
mount_check = false
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
[pipeline:main]
pipeline = ${name}-server
[app:${name}-server]
use = egg:swift#${name}
`;

const proxy = (dir: string, port: number) => `[DEFAULT]
swift_dir = ${dir}
bind_ip = 127.0.0.1
bind_port = ${port}
workers = 0
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats s3api tempauth copy slo dlo versioned_writes proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
${['catch_errors', 'gatekeeper', 'healthcheck', 'listing_formats', 'copy', 'slo', 'dlo', 'versioned_writes']
  .map((filter) => `[filter:${filter}]\nuse = egg:swift#${filter}\n`)
  .join('')}[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
`;

/** Starts a Swift of one device on loopback; sets the variables of the AWS client to it. */
export async function startS3(): Promise<{ stop(): Promise<void> }> {
  const dir = await mkdtemp(path.join(tmpdir(), 'clove-swift-'));
  const children: ChildProcess[] = [];
  const stop = async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }
    await rm(dir, { recursive: true, force: true });
  };
  try {
    await mkdir(path.join(dir, 'devices/d1'), { recursive: true });
    await writeFile(
      path.join(dir, 'swift.conf'),
      '[swift-hash]\nswift_hash_path_suffix = s\nswift_hash_path_prefix = p\n',
    );
    const run = (name: string) =>
      children.push(spawn(`/usr/bin/swift-${name}-server`, [path.join(dir, `${name}.conf`)], { stdio: 'ignore' }));
    for (const name of ['object', 'container', 'account']) {
      const port = await freePort();
      const ring = (...args: string[]) =>
        execFileSync('/usr/bin/swift-ring-builder', [`${name}.builder`, ...args], { cwd: dir });
      ring('create', '4', '1', '0');
      ring('add', `r1z1-127.0.0.1:${port}/d1`, '1');
      ring('rebalance');
      await writeFile(path.join(dir, `${name}.conf`), storage(name, dir, port));
      run(name);
    }
    const port = await freePort();
    await writeFile(path.join(dir, 'proxy.conf'), proxy(dir, port));
    run('proxy');
    Object.assign(process.env, {
      AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test:tester',
      AWS_SECRET_ACCESS_KEY: 'testing',
    });
    const { CreateBucketCommand, S3Client } = await import('@aws-sdk/client-s3');
    const client = new S3Client({ forcePathStyle: true, maxAttempts: 1 });
    const limit = performance.now() + 60_000;
    for (;;) {
      try {
        await client.send(new CreateBucketCommand({ Bucket: 'clove' }));
        return { stop };
      } catch (error) {
        if (performance.now() > limit || children.some((child) => child.exitCode !== null)) throw error;
        await new Promise((resolve) => setTimeout(resolve, 200)); // the servers are on their way up
      }
    }
  } catch (error) {
    await stop();
    throw error;
  }
}
