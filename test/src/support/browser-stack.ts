import type { TestProject } from 'vitest/node';
import { provideStack } from './stack.js';

/** The stack of the browser tests. */
export const setup = (project: TestProject): Promise<() => Promise<void>> => provideStack(project);
