/** Script of the worker thread in which `--local` does its work; started by local/run-task.ts only. */
import { serveThread } from '@clove/runtime';
import { type TaskMessage, type Tasks, tasks } from './local/tasks.js';

serveThread<{ task: keyof Tasks; input: never }, TaskMessage, unknown>(({ task, input }, io) => tasks[task](input, io));
