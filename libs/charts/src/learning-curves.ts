import { formatCount, formatNumber, numberExpr } from './format.js';
import { type ChartOptions, emptyChart, framed, frameOf, single } from './frame.js';
import { round } from './columns.js';
import type { ChartSpec } from './spec.js';

/** Losses of a training by epoch; null where there is none, as for a training that diverged. */
export type LearningCurves = {
  epochs: readonly { epoch: number; trainLoss: number | null; validationLoss: number | null }[];
  /** the epoch whose parameters were kept; the one of the lowest validation loss when left out */
  bestEpoch?: number | undefined;
};

const MOST_POINTS = 400;

/** The epoch of the lowest validation loss, the first of equals; null where no epoch has one. */
const lowestValidation = (epochs: LearningCurves['epochs']): number | null => {
  let best: { epoch: number; loss: number } | null = null;
  for (const { epoch, validationLoss } of epochs) {
    if (validationLoss === null || !Number.isFinite(validationLoss)) continue;
    if (best === null || validationLoss < best.loss) best = { epoch, loss: validationLoss };
  }
  return best?.epoch ?? null;
};

/** Training and validation loss by epoch, the kept epoch marked. Logarithmic where losses span more than a factor of 20. */
export const learningCurveChart = (data: LearningCurves, options: ChartOptions = {}): ChartSpec => {
  const frame = frameOf(options, 400);
  const { theme } = frame;
  const best = data.bestEpoch ?? lowestValidation(data.epochs);
  const kept = data.epochs.find(({ epoch }) => epoch === best);
  const keptLoss = kept?.validationLoss ?? null;
  const every = Math.max(1, Math.ceil(data.epochs.length / MOST_POINTS));
  const drawn = data.epochs.filter((epoch, i) => i % every === 0 || i === data.epochs.length - 1 || epoch === kept);
  const points = drawn
    .flatMap(({ epoch, trainLoss, validationLoss }) => [
      { epoch, loss: trainLoss, kind: 'Training' },
      { epoch, loss: validationLoss, kind: 'Validation' },
    ])
    .filter((point): point is { epoch: number; loss: number; kind: string } => Number.isFinite(point.loss))
    .map((point) => ({ ...point, loss: round(point.loss) }));
  const heading = {
    title: 'Learning curves',
    subtitle:
      `Loss by epoch over ${formatCount(data.epochs.length)} ${data.epochs.length === 1 ? 'epoch' : 'epochs'}` +
      `${best === null || keptLoss === null ? '' : `; epoch ${formatCount(best)} kept, at a validation loss of ${formatNumber(keptLoss)}`}.`,
  };
  if (points.length === 0) return emptyChart(frame, heading);
  const losses = points.map((point) => point.loss);
  const least = Math.min(...losses);
  const most = Math.max(...losses);
  const logarithmic = least > 0 && most / least > 20;
  // Losses that lie close together take more digits than figures have elsewhere.
  const narrow = !logarithmic && most - least < 0.05 * Math.abs(most);
  const first = points[0]!.epoch;
  const last = points.at(-1)!.epoch;
  const bestPoint =
    best === null || keptLoss === null || !Number.isFinite(keptLoss) ? [] : [{ epoch: best, loss: round(keptLoss) }];
  const late = best !== null && best > first + (last - first) * 0.8;
  const domain = ['Training', 'Validation'];
  const colors = { domain, range: [theme.series[0], theme.series[1]] };
  return framed(frame, heading, {
    ...single(frame),
    encoding: {
      x: {
        field: 'epoch',
        type: 'quantitative',
        scale: { domain: first === last ? [first - 1, last + 1] : [first, last], nice: false, zero: false },
        axis: { title: 'Epoch', tickMinStep: 1, format: ',d' },
      },
      y: {
        field: 'loss',
        type: 'quantitative',
        scale: logarithmic ? { type: 'log' } : { zero: false, nice: true },
        axis: {
          title: logarithmic ? 'Loss, logarithmic' : 'Loss',
          labelExpr: narrow ? 'datum.label' : numberExpr('datum.value'),
        },
      },
    },
    layer: [
      {
        data: { values: points },
        mark: { type: 'line', point: points.length <= 2 },
        encoding: {
          stroke: { field: 'kind', type: 'nominal', scale: colors, legend: { symbolType: 'stroke' } },
          strokeDash: {
            field: 'kind',
            type: 'nominal',
            scale: {
              domain,
              range: [
                [6, 3],
                [1, 0],
              ],
            },
          },
        },
      },
      {
        data: { values: bestPoint },
        mark: { type: 'rule', color: theme.reference, strokeDash: [2, 3], strokeWidth: 1.5 },
        encoding: { y: { value: 0 }, y2: { value: 'height' } },
      },
      {
        data: { values: bestPoint },
        mark: {
          type: 'point',
          filled: true,
          size: 90,
          color: theme.series[1],
          stroke: theme.background,
          strokeWidth: 2,
          opacity: 1,
        },
      },
      {
        data: { values: bestPoint },
        mark: {
          type: 'text',
          align: late ? 'right' : 'left',
          dx: late ? -8 : 8,
          baseline: 'top',
          fontWeight: 600,
          text: best === null ? '' : `Epoch ${formatCount(best)} kept`,
        },
        encoding: { y: { value: 2 } },
      },
    ],
  });
};
