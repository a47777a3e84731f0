import type { TestProject } from 'vitest/node';
import { provideStack } from './stack.js';

/** The stack that hostile input is thrown at: limits so small that tests reach them, and else as anybody's. */
export const setup = (project: TestProject): Promise<() => Promise<void>> =>
  provideStack(project, { UPLOAD_LIMIT_BYTES: String(16 * 1024 ** 2), BODY_SECONDS: '2', RATE_LIMIT: '1000000' });
