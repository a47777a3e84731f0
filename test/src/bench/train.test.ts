import { describe, expect, test } from 'vitest';
import { type Work, feedforwardWork, lstmWork, ours, trainingPeer } from './train.js';

const python = process.env['CLOVE_PYTHON'];
/** Not a multiple of the batch, so that the last one is smaller. */
const SIZE = { batchSize: 64, rows: 500 };

describe.skipIf(python === undefined)('PyTorch (needs CLOVE_PYTHON, a Python with torch)', () => {
  // Nothing is dropped, for the two draw differently.
  const works: Work[] = [
    feedforwardWork('feedforward', { hidden: [32, 16], dropout: 0, ...SIZE }),
    lstmWork({ ...SIZE, rows: 180 }),
  ];
  test.each(works)(
    'has the same losses, from the same parameters on the same batches: $name',
    async (work) => {
      const order = Int32Array.from({ length: work.rows }, (_, i) => (i * 7) % work.rows);
      const { executor, params } = await ours(work, 1);
      const peer = await trainingPeer(python!, work, { params, threads: 1, order });
      try {
        for (let epoch = 0; epoch < 3; epoch += 1) {
          const { x, y } = work;
          const { loss } = await executor.trainEpoch({ x, y, order, learningRate: 1e-3, seed: 1 });
          const theirs = (await peer.run())['loss'] as number;
          expect(Math.abs(loss / theirs - 1)).toBeLessThan(1e-4);
        }
      } finally {
        await peer.close();
        await executor.release();
      }
    },
    60_000,
  );
});
