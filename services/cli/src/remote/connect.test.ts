import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { resolveConnection } from './connect.js';

const home = (files: Record<string, string>): string => {
  const folder = mkdtempSync(join(tmpdir(), 'clove-connect-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
};
const running = () =>
  home({
    'stack.json': JSON.stringify({ url: 'http://127.0.0.1:3007', pid: process.pid }),
    'api-key.secret': 'local-key\n',
  });

describe('which gateway a command talks to', () => {
  test('the stack of this checkout, with its key', () => {
    expect(resolveConnection({ values: {}, environment: { CLOVE_HOME: running() } })).toEqual({
      url: 'http://127.0.0.1:3007',
      apiKey: 'local-key',
    });
  });

  test('port 3000 of this machine where no stack has left its address', () => {
    expect(resolveConnection({ values: {}, environment: { CLOVE_HOME: home({}) } })).toEqual({
      url: 'http://127.0.0.1:3000',
      apiKey: undefined,
    });
  });

  test('not a stack whose launcher is gone', () => {
    const child = spawnSync(process.execPath, ['-e', '']);
    const environment = {
      CLOVE_HOME: home({ 'stack.json': JSON.stringify({ url: 'http://127.0.0.1:3007', pid: child.pid }) }),
    };
    expect(resolveConnection({ values: {}, environment }).url).toBe('http://127.0.0.1:3000');
  });

  test('flags win over the environment, the environment over the stack', () => {
    const environment = { CLOVE_HOME: running(), CLOVE_URL: 'https://clove.example', CLOVE_API_KEY: 'env-key' };
    expect(resolveConnection({ values: {}, environment })).toEqual({ url: 'https://clove.example', apiKey: 'env-key' });
    expect(resolveConnection({ values: { url: 'http://other.example', apiKey: 'flag-key' }, environment })).toEqual({
      url: 'http://other.example',
      apiKey: 'flag-key',
    });
  });

  test("the checkout's own key never goes to another machine", () => {
    const environment = { CLOVE_HOME: running() };
    expect(resolveConnection({ values: { url: 'https://clove.example' }, environment }).apiKey).toBeUndefined();
    expect(resolveConnection({ values: { url: 'http://localhost.evil.example' }, environment }).apiKey).toBeUndefined();
    expect(resolveConnection({ values: { url: 'http://[::1]:3000' }, environment }).apiKey).toBe('local-key');
  });

  test.each(['nonsense', 'ftp://127.0.0.1', '127.0.0.1:3000'])(
    '%s is no address, and the message says which flag',
    (url) => {
      expect(() => resolveConnection({ values: { url }, environment: {} })).toThrow(/--url/);
    },
  );
});
