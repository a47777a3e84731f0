/** Script of the worker thread in which a training runs; started by `handler.ts` only. */
import { serveThread } from '@clove/runtime';
import { trainModel } from './train-model.js';

serveThread(trainModel);
