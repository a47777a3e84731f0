import { type LearningData, isSequence } from '@clove/clv';
import { CloveError, LeaderboardModel, type PurchaseModel, TrainingOptions } from '@clove/contracts';
import { type Contestant, familyOf } from './contestants.js';

type Keyed<T> = T & { key: LeaderboardModel };

/** Who takes part in a leaderboard. */
export type Field = {
  models: Keyed<Contestant & { type: 'model' }>[];
  blends: Keyed<Contestant & { type: 'blend' }>[];
  /** names of those that were asked for; the others are parts of blends, or what models are anchored on */
  ranked: ReadonlySet<string>;
  /** what was asked for and does not take part, and why */
  skipped: { model: string; reason: string }[];
  /** who stands where the chosen one cannot be learned */
  fallback: string;
};

const PROBABILISTIC: readonly PurchaseModel[] = ['bg-nbd', 'mbg-nbd', 'pareto-nbd'];
/** Rows beyond which networks on sequences are left out: they take minutes each. */
const MOST_SEQUENCE_ROWS = 400_000;

/**
 * The models and blends for these data. Networks are small and their batches grow with the rows, so that an epoch has
 * a hundred steps or so: on a few hundred thousand rows a leaderboard takes minutes on two cores.
 * @param o.anchor what anchored models multiply; null: none of them
 * @param o.part `others` leaves the probabilistic models out; blends may use them all the same. A features dataset has none
 * @param o.asked whom to rank; everyone when left out
 * @throws CloveError `invalid-input` for a model that is none for this kind of data
 */
export const fieldOf = (
  data: LearningData,
  options: TrainingOptions,
  o: {
    anchor: PurchaseModel | null;
    sequenceLength: number;
    part?: 'all' | 'probabilistic' | 'others';
    asked: readonly LeaderboardModel[] | undefined;
  },
): Field => {
  const { anchor, sequenceLength, part = 'all' } = o;
  const rows = data.origins.reduce((sum, { train }) => sum + train.table.rows, 0);
  const model = (key: LeaderboardModel, name: string, given: Partial<TrainingOptions>): Field['models'][number] => {
    const own = TrainingOptions.parse({ ...options, forecastFeatures: anchor ?? 'bg-nbd', ...given });
    return { key, name, family: familyOf(own.model), type: 'model', options: own };
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
  const models: Field['models'] = [];
  const blends: Field['blends'] = [];
  const ensemble = { family: 'ensemble', type: 'blend' } as const;
  if (data.kind === 'features') {
    models.push(
      model('feedforward-mse', 'feedforward mse', { head: 'mse' }),
      model('feedforward-silu-mse', 'feedforward silu mse', {
        head: 'mse',
        hidden: [128, 64],
        activation: 'silu',
        batchNorm: false,
        dropout: 0.05,
        weightDecay: 1e-3,
        epochs: 100,
        patience: 15,
      }),
      model('trees-mse', 'trees mse', { model: 'trees', head: 'mse', treeDepth: 3 }),
    );
    const of = ['feedforward silu mse', 'trees mse'];
    blends.push({
      ...ensemble,
      key: 'networks-and-trees',
      name: 'mean of networks and trees',
      of,
      combine: 'arithmetic',
    });
    const field = { fallback: 'feedforward mse', skipped: [] };
    const none = part === 'probabilistic';
    return takingPart(data, { ...field, models: none ? [] : models, blends: none ? [] : blends }, o.asked);
  }
  if (part !== 'others') models.push(...PROBABILISTIC.map((name) => model(name, name, { model: name, seeds: 1 })));
  if (part !== 'probabilistic') {
    models.push(
      model('feedforward-mse', 'feedforward mse', { ...network, head: 'mse' }),
      model('feedforward-ziln', 'feedforward ziln', { ...network, head: 'ziln' }),
      model('trees-tweedie', 'trees tweedie', { model: 'trees', head: 'tweedie' }),
      model('transformer-ziln', 'transformer ziln', { ...sequence, model: 'transformer', head: 'ziln' }),
    );
    if (anchor !== null) {
      const [trees, net] = [`trees × ${anchor}`, `feedforward × ${anchor}`];
      models.push(
        model('anchored-trees', trees, { model: 'trees', head: 'tweedie', anchor }),
        model('anchored-feedforward', net, { ...network, head: 'poisson', anchor }),
        model('anchored-feedforward-tweedie', `feedforward tweedie × ${anchor}`, {
          ...network,
          head: 'tweedie',
          anchor,
        }),
        model('anchored-lstm', `lstm × ${anchor}`, { ...sequence, model: 'lstm', head: 'tweedie', anchor }),
        model('anchored-gru', `gru × ${anchor}`, { ...sequence, model: 'gru', head: 'poisson', anchor }),
      );
      const of = [net, trees];
      const all = [anchor, ...of];
      const mean = (key: LeaderboardModel, name: string, parts: string[], combine: 'arithmetic' | 'geometric') =>
        blends.push({ ...ensemble, key, name, of: parts, combine });
      mean('anchored-mean', `mean of networks and trees × ${anchor}`, of, 'arithmetic');
      mean('ensemble-mean', `mean of ${anchor}, networks and trees`, all, 'arithmetic');
      mean('ensemble-geometric-mean', `geometric mean of ${anchor}, networks and trees`, all, 'geometric');
    }
  }
  const slow = rows > MOST_SEQUENCE_ROWS ? models.filter(({ options: { model: type } }) => isSequence(type)) : [];
  const reason = `a network on sequences takes minutes beyond ${MOST_SEQUENCE_ROWS} training rows, and here are ${rows}: train it by itself`;
  return takingPart(
    data,
    {
      models: models.filter((one) => !slow.includes(one)),
      blends,
      fallback: anchor ?? 'bg-nbd',
      skipped: slow.map(({ name, key }) => ({ model: name, key, reason })),
    },
    o.asked,
    part,
  );
};

const FOR_CUSTOMERS: readonly LeaderboardModel[] = [
  'feedforward-mse',
  'feedforward-silu-mse',
  'trees-mse',
  'networks-and-trees',
];

/** Those who were asked for, and the parts of the blends among them. To choose an anchor takes all probabilistic models. */
const takingPart = (
  { kind }: LearningData,
  whole: Omit<Field, 'ranked' | 'skipped'> & { skipped: (Field['skipped'][number] & { key?: LeaderboardModel })[] },
  asked: readonly LeaderboardModel[] | undefined,
  part?: 'all' | 'probabilistic' | 'others',
): Field => {
  const there = LeaderboardModel.options.filter((key) =>
    kind === 'features' ? FOR_CUSTOMERS.includes(key) : key === 'feedforward-mse' || !FOR_CUSTOMERS.includes(key),
  );
  const strangers = (asked ?? []).filter((key) => !there.includes(key));
  if (strangers.length > 0) {
    throw new CloveError(
      'invalid-input',
      `models: ${strangers.join(', ')} ${strangers.length === 1 ? 'is' : 'are'} not for ${kind === 'features' ? 'a table of customers' : 'orders'}. To choose from: ${there.join(', ')}.`,
    );
  }
  const wanted = ({ key }: { key?: LeaderboardModel }): boolean =>
    asked === undefined || (key !== undefined && asked.includes(key));
  const blends = whole.blends.filter(wanted);
  const parts = new Set(blends.flatMap(({ of }) => of));
  const models = whole.models.filter((one) => wanted(one) || parts.has(one.name) || part === 'probabilistic');
  return {
    models,
    blends,
    fallback: whole.fallback,
    ranked: new Set([...models, ...blends].filter(wanted).map(({ name }) => name)),
    skipped: whole.skipped.filter(wanted).map(({ model, reason }) => ({ model, reason })),
  };
};
