import type { Network } from '@clove/engine';
import { type MlpOptions, mlp } from './mlp.js';

/**
 * The feedforward network: for each hidden layer Linear → BatchNorm → activation → Dropout, then Linear to the outputs.
 * Weights and biases start uniform in ±1/√fan-in, as torch.nn.Linear starts them.
 */
export const feedforward = (o: MlpOptions & { inputWidth: number }): Network => ({
  name: `feedforward ${[o.inputWidth, ...o.hidden, o.outputs ?? 1].join('-')}`,
  inputWidth: o.inputWidth,
  ...mlp(o.inputWidth, o),
});
