/**
 * Charts as Vega-Lite specifications. Two steps for each chart: an aggregation, pure and of small plain JSON whatever the
 * number of rows, and a chart function from aggregate to specification. Nothing here needs Node: a browser renders the same
 * specifications. `@clove/charts/render` makes SVG and PNG of them without a browser.
 * @packageDocumentation
 */
export type { ChartOptions } from './frame.js';
export type { ChartSpec } from './spec.js';
export type { ThemeName } from './theme.js';
export type { Values } from './columns.js';
export type { Band, LogBins } from './log-axis.js';
export { type Deciles, decileChart } from './deciles.js';
export { type Distribution, type Histogram, distributionChart } from './distribution.js';
export {
  type Judged,
  type NamedChart,
  evaluationCharts,
  leaderboardCharts,
  trainingCharts,
} from './evaluation-charts.js';
export { type GainCurves, type GainPoint, gainChart } from './gain.js';
export { type Leaderboard, type LeaderboardRow, leaderboardChart } from './leaderboard.js';
export { type LearningCurves, learningCurveChart } from './learning-curves.js';
export { type Pit, pitChart } from './pit.js';
export { type PredictedActual, predictedActualChart } from './predicted-actual.js';
export { type RecencyFrequency, recencyFrequencyChart } from './recency-frequency.js';
export {
  type PredictionDeciles,
  type PredictionHistogram,
  predictionCharts,
  predictionDecilesChart,
  predictionHistogramChart,
} from './prediction-charts.js';
export { type Reliability, reliabilityChart } from './reliability.js';
export { type ResidualGroup, type Residuals, residualChart } from './residuals.js';
export { type Tracking, trackingChart } from './tracking.js';
