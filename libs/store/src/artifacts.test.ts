import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { access, mkdtemp, readFile, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { artifactKeys } from './artifact-keys.js';
import { openArtifacts, type ArtifactStore } from './artifacts.js';
import { newId } from './ids.js';
import { SWIFT_PACKAGES, hasSwift, startS3 } from './s3-server.test-support.js';

let parent: string;
let dir: string;
let store: ArtifactStore;
let files: () => Promise<string[]>;

beforeEach(async () => {
  parent = await mkdtemp(path.join(tmpdir(), 'clove-artifacts-'));
  dir = path.join(parent, 'store');
});
afterEach(() => rm(parent, { recursive: true }));

/** Every file below the folder, those in the making too. */
const filesInFolder = async (): Promise<string[]> => {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true }).catch(() => []);
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(dir, path.join(entry.parentPath, entry.name)));
};

/** Every object of the bucket below a prefix. */
const objectsBelow = async (prefix: string): Promise<string[]> => {
  const { ListObjectsV2Command, S3Client } = await import('@aws-sdk/client-s3');
  const { Contents = [] } = await new S3Client({ forcePathStyle: true }).send(
    new ListObjectsV2Command({ Bucket: 'clove', Prefix: prefix }),
  );
  return Contents.map(({ Key }) => Key!.slice(prefix.length));
};

const useFolder = () => {
  store = openArtifacts(dir);
  files = filesInFolder;
};

const key = artifactKeys.data({ id: newId('dataset'), revision: null });
const sha256 = (data: Uint8Array) => createHash('sha256').update(data).digest('hex');

const places = [
  { place: 'a folder', absent: false },
  { place: hasSwift ? 'a bucket' : `a bucket (needs Debian's ${SWIFT_PACKAGES})`, absent: !hasSwift },
];
for (const { place, absent } of places) {
  describe.skipIf(absent)(`in ${place}`, () => {
    if (place === 'a folder') beforeEach(useFolder);
    else {
      let server: Awaited<ReturnType<typeof startS3>>;
      beforeAll(async () => {
        server = await startS3();
      }, 120_000);
      afterAll(() => server.stop());
      beforeEach(() => {
        const prefix = `t-${randomUUID()}/below`;
        store = openArtifacts(`s3://clove/${prefix}`);
        files = () => objectsBelow(`${prefix}/`);
      });
    }

    describe('what is put', () => {
      test('a folder lists what lies in it by its first name, with the time of the newest file; an absent one is empty', async () => {
        expect(await store.list('versions')).toEqual([]);
        const [one, two] = [newId('version'), newId('version')];
        for (const name of ['model.onnx', 'model.json'] as const) await store.put(artifactKeys.version(one, name), 'x');
        await store.put(artifactKeys.version(two, 'model.onnx'), 'x');
        const listed = await store.list('versions');
        expect(listed.map(({ name }) => name).toSorted()).toEqual([one, two].toSorted());
        // servers of objects tell whole seconds
        for (const { writtenMs } of listed) expect(Math.abs(Date.now() - writtenMs)).toBeLessThan(60_000);
      });

      test('is listed by its key, with its size and its time; nothing is where nothing was put', async () => {
        const listed = async () => {
          const found = [];
          for await (const file of store.keys()) found.push(file);
          return found.toSorted((a, b) => (a.key < b.key ? -1 : 1));
        };
        expect(await listed()).toEqual([]);
        const keys = [key, artifactKeys.upload(newId('dataset'), 0), artifactKeys.shard('pre_1', 'plan.json'), 'top'];
        for (const one of keys) await store.put(one, one);
        const found = await listed();
        expect(found.map((file) => [file.key, file.bytes])).toEqual(keys.toSorted().map((one) => [one, one.length]));
        for (const { writtenMs } of found) expect(Math.abs(Date.now() - writtenMs)).toBeLessThan(60_000);
      });

      test('is read back byte for byte, counted and hashed', async () => {
        const chunks = Array.from({ length: 40 }, () => randomBytes(100_003));
        const whole = Buffer.concat(chunks);
        expect(await store.put(key, Readable.from(chunks))).toEqual({ bytes: whole.length, sha256: sha256(whole) });
        const opened = await store.open(key);
        expect(opened.bytes).toBe(whole.length);
        expect(whole.equals(await buffer(opened.stream))).toBe(true);
        expect(await store.stat(key)).toEqual({ bytes: whole.length });
        expect(whole.equals(await readFile(await store.local(key, parent)))).toBe(true);
        expect(await files()).toEqual([key]);
      });

      test('may be text, bytes, nothing or a file', async () => {
        expect(await store.put(key, 'é')).toEqual({ bytes: 2, sha256: sha256(Buffer.from('é')) });
        expect(await store.put(key, new Uint8Array([1, 2, 3]))).toMatchObject({ bytes: 3 });
        expect(await store.put(key, '')).toEqual({ bytes: 0, sha256: sha256(Buffer.alloc(0)) });
        await writeFile(path.join(parent, 'file'), '{"a": 1}');
        expect(await store.putFile(key, path.join(parent, 'file'))).toMatchObject({ bytes: 8 });
        expect(await store.readJson(key)).toEqual({ a: 1 });
        await expect(store.putFile(key, path.join(parent, 'nothing'))).rejects.toMatchObject({ code: 'not-found' });
      });

      test('replaces what was there, and a reader of the former goes on reading it', async () => {
        await store.put(key, 'former');
        const { stream } = await store.open(key);
        await store.put(key, 'later');
        expect((await buffer(stream)).toString()).toBe('former');
        expect((await buffer((await store.open(key)).stream)).toString()).toBe('later');
      });

      test('by ten at once is one of them, whole', async () => {
        const bodies = Array.from({ length: 10 }, () => randomBytes(200_000));
        const put = await Promise.all(bodies.map((body) => store.put(key, body)));
        expect(put.map((one) => one.sha256)).toContain(sha256(await readFile(await store.local(key, parent))));
        expect(await files()).toEqual([key]);
      });

      test('is not there, nor anything of it, where its source fails', async () => {
        await store.put(key, 'former');
        const failing = Readable.from(
          (async function* () {
            yield Buffer.from('half');
            throw new Error('connection lost');
          })(),
        );
        await expect(store.put(key, failing)).rejects.toThrow('connection lost');
        expect(await files()).toEqual([key]);
        expect((await buffer((await store.open(key)).stream)).toString()).toBe('former');
      });

      test('is not there, nor anything of it, where it is aborted, and its source is ended', async () => {
        const controller = new AbortController();
        const endless = new Readable({
          read() {
            this.push(Buffer.alloc(1000));
            setImmediate(() => controller.abort(new Error('client gone')));
          },
        });
        await expect(store.put(key, endless, { signal: controller.signal })).rejects.toMatchObject({
          code: 'cancelled',
        });
        expect(endless.destroyed).toBe(true);
        expect(await files()).toEqual([]);
        await expect(store.put(key, 'x', { signal: controller.signal })).rejects.toMatchObject({ code: 'cancelled' });
        expect(await files()).toEqual([]);
      });
    });

    describe('what is not there', () => {
      test('is not found, and removing it is no error', async () => {
        for (const call of [() => store.open(key), () => store.readJson(key), () => store.local(key, parent)]) {
          await expect(call()).rejects.toMatchObject({ code: 'not-found', message: expect.stringContaining(key) });
        }
        expect(await store.stat(key)).toBeNull();
        await store.remove(key);
      });

      test('a folder of keys is no key', async () => {
        await store.put('a/b/c', 'x');
        for (const call of [() => store.open('a/b'), () => store.local('a/b', parent), () => store.readJson('a/b')]) {
          await expect(call()).rejects.toMatchObject({ code: 'not-found' });
        }
        expect(await store.stat('a/b')).toBeNull();
        expect(await store.stat('a/b/c/d')).toBeNull();
      });
    });

    test('removing a prefix removes all below it and nothing beside it', async () => {
      const [one, two] = [newId('dataset'), newId('dataset')];
      for (const id of [one, two]) {
        await store.put(artifactKeys.data({ id: id, revision: null }), 'x');
        await store.put(artifactKeys.profile({ id: id, revision: null }), '{}');
        await store.put(artifactKeys.upload(id, 0), 'x');
      }
      await store.remove(artifactKeys.dataset(one));
      await store.remove(artifactKeys.upload(two, 0));
      expect((await files()).toSorted()).toEqual(
        [
          artifactKeys.data({ id: two, revision: null }),
          artifactKeys.profile({ id: two, revision: null }),
          artifactKeys.upload(one, 0),
        ].toSorted(),
      );
    });

    describe('hostile keys', () => {
      const hostile = [
        '',
        '/',
        '.',
        '..',
        '../outside',
        'a/../../outside',
        'a/..',
        'a/./b',
        '/etc/passwd',
        'a//b',
        'a/',
        '.aside/x',
        'a/.hidden',
        'a\\..\\b',
        'a\0b',
        'a b',
        'a\n',
        'é',
        'C:',
        '%2e%2e/x',
        'a'.repeat(301),
        Array.from({ length: 11 }, () => 'a').join('/'),
      ];
      test.each(hostile)('%j is refused by every method, and nothing is written', async (bad) => {
        await writeFile(path.join(parent, 'outside'), 'secret');
        const calls = [
          () => store.put(bad, 'x'),
          () => store.putFile(bad, path.join(parent, 'outside')),
          () => store.open(bad),
          () => store.readJson(bad),
          () => store.stat(bad),
          () => store.local(bad, parent),
          () => store.remove(bad),
        ];
        for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'bad-request' });
        expect(await readFile(path.join(parent, 'outside'), 'utf8')).toBe('secret');
        expect(await files()).toEqual([]);
      });
    });
  });
}

const full = await access('/dev/full').then(
  () => true,
  () => false,
);

describe('a folder', () => {
  beforeEach(useFolder);

  test('loses what a killed process left aside after a day', async () => {
    await store.put(key, 'x');
    const [old, young] = ['old', 'young'].map((name) => path.join(dir, '.aside', name)) as [string, string];
    await writeFile(old, 'x');
    await writeFile(young, 'x');
    const dayAgo = Date.now() / 1000 - 25 * 3600;
    await utimes(old, dayAgo, dayAgo);
    await openArtifacts(dir).put(key, 'x');
    expect((await files()).toSorted()).toEqual(['.aside/young', key]);
  });

  test.skipIf(!full)('a full disk is no-space, and says what to do (needs /dev/full)', async () => {
    // the file system of the store cannot be filled here; the same error comes from the device that is always full
    const error = await writeFile('/dev/full', 'x').then(
      () => undefined,
      (reason: NodeJS.ErrnoException) => reason,
    );
    expect(error?.code).toBe('ENOSPC');
    const source = Readable.from(
      (async function* () {
        yield Buffer.from('half');
        throw error;
      })(),
    );
    await expect(store.put(key, source)).rejects.toMatchObject({
      code: 'no-space',
      message: expect.stringContaining('Free some space'),
    });
    expect(await files()).toEqual([]);
  });
});
