/** What things of the science are called, in words for people. */
import type { Head, Metrics, ModelType } from '../api/generated/clove-api.js';
import { formatChange, formatMoney, formatNumber, formatPercent } from './format.js';

/** Names of the kinds of model. */
export const MODEL_TYPES: Record<ModelType, string> = {
  feedforward: 'Feed-forward network',
  lstm: 'LSTM network',
  gru: 'GRU network',
  transformer: 'Transformer network',
  trees: 'Boosted trees',
  'bg-nbd': 'BG/NBD with Gamma-Gamma',
  'mbg-nbd': 'MBG/NBD with Gamma-Gamma',
  'pareto-nbd': 'Pareto/NBD with Gamma-Gamma',
  ensemble: 'Ensemble',
};

/** What a model is trained for. */
export const HEADS: Record<Head, string> = {
  mse: 'mean squared error',
  huber: 'Huber loss',
  poisson: 'Poisson deviance',
  tweedie: 'Tweedie deviance',
  ziln: 'zero-inflated lognormal',
};

/** A figure of quality: its name, what it means, how it is written. */
export type MetricWord = {
  key: keyof Metrics;
  label: string;
  help: string;
  format: (value: number | null | undefined, currency?: string | null) => string;
};

/** The figures of an evaluation, the most telling first. */
export const METRICS: readonly MetricWord[] = [
  {
    key: 'totalBias',
    label: 'Total bias',
    help: 'How far the sum of all predictions is from the sum of what was spent. 0 % is right; +10 % promises a tenth too much.',
    format: (value) => formatChange(value),
  },
  {
    key: 'normalizedGini',
    label: 'Ranking (normalized Gini)',
    help: 'How well customers are ranked by what they will spend: 1 is the perfect order, 0 is chance.',
    format: (value) => formatNumber(value, 3),
  },
  {
    key: 'decileMape',
    label: 'Decile error',
    help: 'Customers are put into ten groups by prediction: how far each group’s mean is from what it spent, on average.',
    format: (value) => formatPercent(value),
  },
  {
    key: 'mae',
    label: 'Mean error (MAE)',
    help: 'How far a prediction is from the customer’s spend on average, whether above or below.',
    format: (value, currency) => formatMoney(value, currency),
  },
  {
    key: 'rmse',
    label: 'RMSE',
    help: 'Like the mean error, but large misses weigh more.',
    format: (value, currency) => formatMoney(value, currency),
  },
  {
    key: 'wape',
    label: 'WAPE',
    help: 'The sum of all errors as a share of all spend.',
    format: (value) => formatPercent(value),
  },
  {
    key: 'r2',
    label: 'R²',
    help: 'Share of the differences between customers that the model explains: 1 is all, 0 is no better than the mean.',
    format: (value) => formatNumber(value, 3),
  },
  {
    key: 'mape',
    label: 'MAPE',
    help: 'Mean error relative to what was spent, over the customers who spent something at all.',
    format: (value) => formatPercent(value),
  },
  {
    key: 'spearman',
    label: 'Rank correlation (Spearman)',
    help: 'Agreement of the two orders, by prediction and by spend: 1 is the same order, 0 is none.',
    format: (value) => formatNumber(value, 3),
  },
  {
    key: 'auc',
    label: 'Buyers told apart (AUC)',
    help: 'Chance that somebody who bought was given a higher probability than somebody who did not. 0.5 is guessing.',
    format: (value) => formatNumber(value, 3),
  },
  {
    key: 'brier',
    label: 'Brier score',
    help: 'Mean squared error of the probability to buy: 0 is perfect.',
    format: (value) => formatNumber(value, 3),
  },
  {
    key: 'coverage80',
    label: 'Interval coverage',
    help: 'Share of customers whose spend lay inside the 80 % interval: near 80 % means that the intervals are honest.',
    format: (value) => formatPercent(value),
  },
];

/** Names of the baselines that stand beside every model. */
export const BASELINES: Record<string, string> = {
  mean: 'Everyone spends the mean',
  'naive-rate': 'Everyone goes on as before',
  heuristic: 'Rule of thumb',
};
