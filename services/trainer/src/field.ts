import type { LearningData } from '@clove/clv';
import { type PurchaseModel, TrainingOptions } from '@clove/contracts';
import { type Contestant, familyOf } from './contestants.js';

/** Who takes part in a leaderboard. */
export type Field = {
  models: (Contestant & { type: 'model' })[];
  blends: (Contestant & { type: 'blend' })[];
  /** who stands where the chosen one cannot be learned */
  fallback: string;
};

const PROBABILISTIC: readonly PurchaseModel[] = ['bg-nbd', 'mbg-nbd', 'pareto-nbd'];
/** Rows beyond which networks on sequences are left out: they take minutes each. */
const MOST_SEQUENCE_ROWS = 400_000;

/**
 * The models and blends for these data. Networks are small and their batches grow with the rows, so that an epoch has
 * a hundred steps or so: on a few hundred thousand rows a leaderboard takes minutes on two cores.
 * @param anchor what anchored models multiply; null: none of them
 * @param part `others` leaves the probabilistic models out; blends may use them all the same. A features dataset has none
 */
export const fieldOf = (
  data: LearningData,
  options: TrainingOptions,
  anchor: PurchaseModel | null,
  sequenceLength: number,
  part: 'all' | 'probabilistic' | 'others' = 'all',
): Field => {
  const rows = data.origins.reduce((sum, { train }) => sum + train.table.rows, 0);
  const model = (name: string, given: Partial<TrainingOptions>): Field['models'][number] => {
    const own = TrainingOptions.parse({ ...options, forecastFeatures: anchor ?? 'bg-nbd', ...given });
    return { name, family: familyOf(own.model), type: 'model', options: own };
  };
  const network: Partial<TrainingOptions> = {
    hidden: [64, 32],
    activation: 'silu',
    batchNorm: false,
    dropout: 0.1,
    learningRate: 1e-3,
    weightDecay: 1e-4,
    batchSize: Math.min(4096, Math.max(64, 2 ** Math.round(Math.log2(rows / 100)))),
    epochs: 30,
    patience: 5,
  };
  const sequence: Partial<TrainingOptions> = {
    ...network,
    hidden: [32],
    sequenceLength,
    sequenceUnits: 16,
    epochs: 12,
    patience: 3,
    seeds: 1,
  };
  if (data.kind === 'features') {
    const field = featuresField(model);
    return part === 'probabilistic' ? { ...field, models: [], blends: [] } : field;
  }
  const models: Field['models'] =
    part === 'others' ? [] : PROBABILISTIC.map((name) => model(name, { model: name, seeds: 1 }));
  const blends: Field['blends'] = [];
  if (part !== 'probabilistic') {
    models.push(
      model('feedforward mse', { ...network, head: 'mse' }),
      model('feedforward ziln', { ...network, head: 'ziln' }),
      model('trees tweedie', { model: 'trees', head: 'tweedie' }),
    );
    if (rows <= MOST_SEQUENCE_ROWS)
      models.push(model('transformer ziln', { ...sequence, model: 'transformer', head: 'ziln' }));
    if (anchor !== null) {
      const [trees, net] = [`trees × ${anchor}`, `feedforward × ${anchor}`];
      models.push(
        model(trees, { model: 'trees', head: 'tweedie', anchor }),
        model(net, { ...network, head: 'poisson', anchor }),
        model(`feedforward tweedie × ${anchor}`, { ...network, head: 'tweedie', anchor }),
      );
      if (rows <= MOST_SEQUENCE_ROWS) {
        models.push(
          model(`lstm × ${anchor}`, { ...sequence, model: 'lstm', head: 'tweedie', anchor }),
          model(`gru × ${anchor}`, { ...sequence, model: 'gru', head: 'poisson', anchor }),
        );
      }
      const of = [net, trees];
      const ensemble = { family: 'ensemble', type: 'blend' } as const;
      blends.push(
        { ...ensemble, name: `mean of networks and trees × ${anchor}`, of, combine: 'arithmetic' },
        { ...ensemble, name: `mean of ${anchor}, networks and trees`, of: [anchor, ...of], combine: 'arithmetic' },
        {
          ...ensemble,
          name: `geometric mean of ${anchor}, networks and trees`,
          of: [anchor, ...of],
          combine: 'geometric',
        },
      );
    }
  }
  return { models, blends, fallback: anchor ?? 'bg-nbd' };
};

const featuresField = (model: (name: string, given: Partial<TrainingOptions>) => Field['models'][number]): Field => ({
  models: [
    model('feedforward mse', { head: 'mse' }),
    model('feedforward silu mse', {
      head: 'mse',
      hidden: [128, 64],
      activation: 'silu',
      batchNorm: false,
      dropout: 0.05,
      weightDecay: 1e-3,
      epochs: 100,
      patience: 15,
    }),
    model('trees mse', { model: 'trees', head: 'mse', treeDepth: 3 }),
  ],
  blends: [
    {
      family: 'ensemble',
      type: 'blend',
      name: 'mean of networks and trees',
      of: ['feedforward silu mse', 'trees mse'],
      combine: 'arithmetic',
    },
  ],
  fallback: 'feedforward mse',
});
