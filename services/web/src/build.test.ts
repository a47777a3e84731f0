import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';

const app = fileURLToPath(new URL('../dist/app', import.meta.url));
const LIMIT_BYTES = 400_000;

/** Files that a script of the build imports as it starts, itself included; what it loads later by `import()` is not there. */
const withImports = (file: string, seen = new Set<string>()): Set<string> => {
  if (seen.has(file)) return seen;
  seen.add(file);
  const text = readFileSync(path.join(app, 'assets', file), 'utf8');
  for (const [, name] of text.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)) withImports(name!, seen);
  return seen;
};
const gzipped = (files: Iterable<string>): number =>
  [...files].reduce((sum, file) => sum + gzipSync(readFileSync(path.join(app, 'assets', file))).length, 0);
/** A text that only the library's own code holds. */
const holds = (files: Iterable<string>, text: string): boolean =>
  [...files].some((file) => readFileSync(path.join(app, 'assets', file), 'utf8').includes(text));

const scripts = readdirSync(path.join(app, 'assets')).filter((file) => file.endsWith('.js'));
const html = readFileSync(path.join(app, 'index.html'), 'utf8');
/** What the first page needs: the scripts of index.html and those of Home. */
const first = new Set(
  [
    ...[...html.matchAll(/(?:src|href)="\/assets\/([^"]+\.js)"/g)].map(([, name]) => name!),
    ...scripts.filter((file) => file.startsWith('home-page-')),
  ].flatMap((file) => [...withImports(file)]),
);

describe('the built app', () => {
  test('loads less than 400 kB of gzipped JavaScript up to the home page', () => {
    expect(first.size).toBeGreaterThan(5);
    expect(gzipped(first)).toBeLessThan(LIMIT_BYTES);
  });

  test('has the grid and the charts, and fetches neither before a page needs it', () => {
    expect(holds(scripts, 'MuiDataGrid')).toBe(true);
    expect(holds(first, 'MuiDataGrid')).toBe(false);
    const isVega = (file: string) => file.startsWith('vega-');
    expect(scripts.some(isVega)).toBe(true);
    expect([...first].some(isVega)).toBe(false);
  });

  test('takes nothing from elsewhere: no address of another host in the page', () => {
    expect(html).not.toMatch(/(?:src|href)="(?:https?:)?\/\//);
  });
});
