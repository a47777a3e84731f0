import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    globalSetup: ['test/src/support/servers.ts'],
    // Much of the time goes by in servers and child processes: leave no core unused.
    maxWorkers: '100%',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['libs/*/src/**/*.test.ts', 'services/*/src/**/*.test.ts'],
          testTimeout: 60_000,
          hookTimeout: 60_000,
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: ['test/src/**/*.test.ts'],
          exclude: ['test/src/browser/**', 'test/src/hostile/**'],
          testTimeout: 300_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'hostile',
          include: ['test/src/hostile/**/*.test.ts'],
          globalSetup: ['test/src/support/hostile-stack.ts'],
          testTimeout: 60_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'browser',
          include: ['test/src/browser/**/*.test.ts'],
          globalSetup: ['test/src/support/browser-stack.ts'],
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
        },
      },
    ],
  },
});
