/**
 * Heads: what the last layer of a network means, the loss that teaches it and the way back to currency.
 *
 * - `mse`, `huber`: the output is the spend itself, standardised.
 * - `poisson`, `tweedie`: the output is the log of the expected spend.
 * - `ziln`: three outputs are the parameters of a zero-inflated lognormal (Wang, Liu & Miao 2019, arXiv:1912.07753).
 *
 * All but the first two learn spend divided by a positive scale, and take spend below 0 (refunds only) as 0. What is
 * exponentiated is bounded, far outside of what data ask for: beyond a bound nothing grows, and the gradient only leads back.
 */
import { CloveError, type Head as HeadName } from '@clove/contracts';
import type { Loss, Network } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { type TargetScale, fitTargetScale, predictionTensor } from './target-scale.js';
import { mse } from './training.js';

export type Head = {
  readonly name: HeadName;
  /** Outputs of the network. */
  readonly outputs: number;
  /** The mean over rows; the target is on the scale of `fitScale`. */
  readonly loss: Loss;
  /**
   * The scale of the target, from training rows: `scaleTarget` and `after` take it. Its mean is 0 for the heads that learn a
   * positive scale.
   * @throws CloveError `target-constant` where there is no scale
   */
  fitScale(target: Float64Array): TargetScale;
  /** What the columns of `after` are. */
  readonly columns: readonly ('prediction' | 'p_buy')[];
  /**
   * Output of the network to `columns`, [rows, 1 or 2], as tfjs ops: the end of the exported graph. The prediction is in
   * currency and not below 0, p_buy the probability of any spend.
   */
  after(scale: TargetScale): (output: tf.Tensor2D) => tf.Tensor2D;
};

/** Log of the expected spend over the scale: between a two-billionth and a hundred thousand times the mean. */
const LOG_MEAN = { low: -20, high: 12 };
/** μ of ZILN, likewise; the scale is a typical purchase. */
const MU = { low: -8, high: 8 };
/** σ = softplus(z) of ZILN between 0.05 and 3, as bounds of z. */
const SIGMA_INPUT = { low: Math.log(Math.expm1(0.05)), high: Math.log(Math.expm1(3)) };
/** Huber's bend, in standard deviations of the target. */
const HUBER_DELTA = 1;
const DEFAULT_TWEEDIE_POWER = 1.5;

/**
 * The head of a name.
 * @param o.tweediePower between 1 (Poisson) and 2 (gamma), both excluded; 1.5 when left out
 * @throws CloveError `invalid-input` on another power
 */
export const headOf = (name: HeadName, o: { tweediePower?: number | undefined } = {}): Head => {
  if (name === 'mse' || name === 'huber') {
    return {
      name,
      outputs: 1,
      loss: name === 'mse' ? mse : huber,
      fitScale: standardScale,
      columns: ['prediction'],
      after: predictionTensor,
    };
  }
  if (name === 'ziln') {
    return {
      name,
      outputs: 3,
      loss: ziln,
      fitScale: (target) => positiveScale(target, (sum) => Math.exp(sum.logs / sum.buyers)),
      columns: ['prediction', 'p_buy'],
      after: (scale) => (output) => {
        const { logit, mu, sigma } = zilnParameters(output);
        const pBuy = tf.sigmoid(logit);
        const spend = tf.exp(tf.add(mu, tf.mul(tf.square(sigma), 0.5)));
        return tf.concat([tf.mul(tf.mul(pBuy, spend), scale.sd), pBuy], 1) as tf.Tensor2D;
      },
    };
  }
  const power = o.tweediePower ?? DEFAULT_TWEEDIE_POWER;
  if (!(power > 1 && power < 2)) {
    throw new CloveError('invalid-input', `The power of the Tweedie head must lie between 1 and 2; it is ${power}.`);
  }
  return {
    name,
    outputs: 1,
    loss: name === 'poisson' ? poisson : tweedie(power),
    fitScale: (target) => positiveScale(target, (sum) => sum.spend / sum.rows),
    columns: ['prediction'],
    after: (scale) => (output) => tf.mul(tf.exp(logMean(output)), scale.sd),
  };
};

/** e²/2 up to |e| = δ, then δ·(|e| - δ/2), as torch.nn.HuberLoss (Huber 1964). */
const huber: Loss = (output, target) => {
  const size = tf.abs(tf.sub(output, target));
  const near = tf.minimum(size, HUBER_DELTA);
  return tf.mean(tf.add(tf.mul(tf.square(near), 0.5), tf.mul(tf.sub(size, near), HUBER_DELTA)));
};

/** exp(z) - y·z: the negative log-likelihood without the part that only y decides, as torch.nn.PoissonNLLLoss. */
const poisson: Loss = (output, target) => {
  const z = logMean(output);
  return tf.mean(tf.sub(tf.exp(z), tf.mul(tf.relu(target), z)));
};

/** y·e^((1-p)z)/(p-1) + e^((2-p)z)/(2-p): the same for Tweedie's compound Poisson with power p (Jørgensen 1987). */
const tweedie =
  (power: number): Loss =>
  (output, target) => {
    const z = logMean(output);
    const paid = tf.mul(tf.mul(tf.relu(target), tf.exp(tf.mul(z, 1 - power))), 1 / (power - 1));
    return tf.mean(tf.add(paid, tf.mul(tf.exp(tf.mul(z, 2 - power)), 1 / (2 - power))));
  };

/**
 * Log loss of buying at all, and, of buyers, the negative log density of a lognormal at the spend: logit z₀, μ = z₁,
 * σ = softplus(z₂).
 */
const ziln: Loss = (output, target) => {
  const { logit, mu, sigma } = zilnParameters(output);
  const bought = tf.cast(tf.greater(target, 0), 'float32');
  const buying = tf.sub(tf.softplus(logit), tf.mul(bought, logit));
  // The logarithm of 1 for those who bought nothing: 0, and nothing infinite in the gradient.
  const logSpend = tf.log(tf.add(tf.relu(target), tf.sub(1, bought)));
  const apart = tf.div(tf.sub(logSpend, mu), sigma);
  const density = tf.add(
    tf.add(logSpend, tf.log(sigma)),
    tf.add(tf.mul(tf.square(apart), 0.5), Math.log(2 * Math.PI) / 2),
  );
  return tf.mean(tf.add(buying, tf.mul(bought, density)));
};

const zilnParameters = (output: tf.Tensor2D): { logit: tf.Tensor2D; mu: tf.Tensor2D; sigma: tf.Tensor2D } => {
  const [logit, mu, sigma] = tf.split(output, 3, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
  return { logit, mu: bounded(mu, MU), sigma: tf.softplus(bounded(sigma, SIGMA_INPUT)) };
};

const logMean = (output: tf.Tensor2D): tf.Tensor2D => bounded(output, LOG_MEAN);

/** x cut off at the bounds. Beyond them the gradient passes only where descent leads back: a network that has shot over can return. */
const bounded = (x: tf.Tensor2D, { low, high }: { low: number; high: number }): tf.Tensor2D =>
  tf.customGrad((...given) => {
    const [z, save] = given as unknown as [tf.Tensor2D, tf.GradSaveFunc];
    save([z]);
    return {
      value: tf.clipByValue(z, low, high),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const at = saved[0]!;
        const away = tf.logicalOr(
          tf.logicalAnd(tf.greater(at, high), tf.less(dy, 0)),
          tf.logicalAnd(tf.less(at, low), tf.greater(dy, 0)),
        );
        return tf.mul(dy, tf.cast(tf.logicalNot(away), 'float32'));
      },
    };
  })(x) as tf.Tensor2D;

const standardScale = (target: Float64Array): TargetScale => {
  const scale = fitTargetScale(target);
  if (scale.sd > 0) return scale;
  throw new CloveError(
    'target-constant',
    'The target is the same in every training row, so there is nothing to learn.',
  );
};

/** Sums over the rows with a spend above 0, and the number of all rows. */
type SpendSums = { spend: number; logs: number; buyers: number; rows: number };

const positiveScale = (target: Float64Array, of: (sums: SpendSums) => number): TargetScale => {
  const sums: SpendSums = { spend: 0, logs: 0, buyers: 0, rows: target.length };
  for (const value of target) {
    if (value > 0) {
      sums.spend += value;
      sums.logs += Math.log(value);
      sums.buyers += 1;
    }
  }
  if (sums.buyers > 0) return { mean: 0, sd: of(sums) };
  throw new CloveError(
    'target-constant',
    'No customer of the training rows spends anything in the horizon, so there is nothing to learn. Take a longer horizon or other origins.',
  );
};

/**
 * A network that corrects a forecast: one input more, the last, holds `logForecast` of each row, and the output is
 * network(x) + logForecast. With a head that learns a log mean (`poisson`, `tweedie`) the prediction is
 * forecast · exp(network(x)); with `zeroLast` in the network it starts as the forecast itself.
 * @param network with one output
 */
export const anchored = (network: Network): Network => ({
  ...network,
  name: `anchored ${network.name}`,
  inputWidth: network.inputWidth + 1,
  forward(p, s, x, context) {
    const { output, stats } = network.forward(p, s, tf.slice(x, [0, 0], [-1, network.inputWidth]), context);
    return { output: tf.add(output, tf.slice(x, [0, network.inputWidth], [-1, 1])), stats };
  },
});

/**
 * The input column of an anchored network: ln(forecast / scale), as tfjs ops on forecasts in currency [rows, 1]. Forecasts
 * below a millionth of the scale, 0 and missing ones included, count as that much: a factor must have something to act on.
 */
export const logForecast =
  (scale: TargetScale): ((forecast: tf.Tensor2D) => tf.Tensor2D) =>
  (forecast) => {
    const least: tf.Tensor2D = tf.add(tf.zerosLike(forecast), SMALLEST_FORECAST);
    const scaled: tf.Tensor2D = tf.mul(forecast, 1 / scale.sd);
    // A comparison with NaN is false.
    const used: tf.Tensor2D = tf.where(tf.greater(scaled, SMALLEST_FORECAST), scaled, least);
    return tf.log(used);
  };
const SMALLEST_FORECAST = 1e-6;
