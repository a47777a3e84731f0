import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { artifactKeys } from './artifact-keys.js';
import { type ArtifactStore, openArtifacts } from './artifacts.js';
import { newId } from './ids.js';
import { SWIFT_PACKAGES, hasSwift, startS3 } from './s3-server.test-support.js';

// what a bucket has in common with a folder: artifacts.test.ts
const key = artifactKeys.data({ id: newId('dataset'), revision: null });
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

let server: Awaited<ReturnType<typeof startS3>>;
let parent: string;
let store: ArtifactStore;

describe.skipIf(!hasSwift)(`a bucket${hasSwift ? '' : ` (needs Debian's ${SWIFT_PACKAGES})`}`, () => {
  beforeAll(async () => {
    server = await startS3();
  }, 120_000);
  afterAll(() => server.stop());
  beforeEach(async () => {
    parent = await mkdtemp(path.join(tmpdir(), 'clove-s3-'));
    store = openArtifacts(`s3://clove/t-${randomUUID()}`);
  });
  afterEach(() => rm(parent, { recursive: true }));

  test('an object of several parts is one file, and a copy of it is fetched once', async () => {
    const whole = randomBytes(40 * 1024 ** 2);
    expect(await store.put(key, Readable.from([whole]))).toEqual({ bytes: whole.length, sha256: sha256(whole) });
    const copy = await store.local(key, parent);
    expect(whole.equals(await readFile(copy))).toBe(true);
    await writeFile(copy, whole.fill(1));
    expect(whole.equals(await readFile(await store.local(key, parent)))).toBe(true);
    expect(await readdir(path.dirname(copy))).toEqual([path.basename(copy)]);
  });

  test('what is wrong with the bucket is said with what to do', async () => {
    await expect(openArtifacts('s3://nowhere/x').put(key, 'x')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('s3://nowhere/x does not exist'),
    });
    expect(() => openArtifacts('s3:///x')).toThrow(/names no bucket/);
    const secret = process.env['AWS_SECRET_ACCESS_KEY'];
    process.env['AWS_SECRET_ACCESS_KEY'] = 'wrong';
    try {
      const refused = openArtifacts('s3://clove').put(key, 'x');
      await expect(refused).rejects.toMatchObject({
        message: expect.stringContaining('refuses these credentials'),
      });
    } finally {
      process.env['AWS_SECRET_ACCESS_KEY'] = secret;
    }
  });
});
