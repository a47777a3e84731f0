export { computeBaselines } from './baselines.js';
export {
  type EncodingCounts,
  encode,
  encodingWarnings,
  fitSchema,
  matchColumns,
  noCounts,
  numberOf,
  preparedWidth,
  prepareTensor,
} from './feature-schema.js';
export { type Sample, lintLeakage, lintWindows } from './lint.js';
export { computeMetrics } from './metrics.js';
export {
  addDays,
  forwardOrigins,
  isValidationCustomer,
  lastObservedOrigin,
  randomSplit,
  unobservedDays,
} from './splits.js';
export { feedforward } from './feedforward.js';
export { Rng } from './rng.js';
export {
  FORECAST_FEATURES,
  FORECAST_FEATURE_NAMES,
  SEQUENCE_CHANNELS,
  SNAPSHOT_FEATURES,
  SNAPSHOT_FEATURE_NAMES,
  SNAPSHOT_TARGET,
  WINDOW_DAYS,
} from './snapshot-features.js';
export type { FeatureGroup, SnapshotFeature } from './snapshot-features.js';
export {
  type CategoricalColumn,
  type Column,
  type NumericColumn,
  type Sequence,
  type Table,
  pickRows,
  stackTables,
} from './table.js';
export { type Checkpoints, type KeptTraining, decodeCheckpoint, encodeCheckpoint } from './checkpoint.js';
export {
  type LoopOptions,
  type TrainedNetwork,
  type TrainingChunk,
  type TrainingSource,
  inMemory,
  mse,
  trainNetwork,
} from './training.js';
export {
  type GeneratedChunk,
  type GeneratedColumn,
  generateFeatureCustomers,
  generateTransactions,
} from './generators.js';
export { type TargetScale, fitTargetScale, predictionTensor, scaleTarget } from './target-scale.js';
export { type Activation, type MlpOptions } from './mlp.js';
export { type SequenceNetworkOptions } from './sequence-network.js';
export { lstm } from './lstm.js';
export { gru } from './gru.js';
export { type TransformerOptions, transformer } from './transformer.js';
export {
  type BgBb,
  type PeriodCounts,
  bgBbAlive,
  bgBbConditional,
  bgBbExpected,
  fitBgBb,
} from './probabilistic/bg-bb.js';
export { type Fit } from './probabilistic/fit.js';
export {
  type FittedParameters,
  type Forecast,
  type Forecaster,
  type SpendFrom,
  bootstrapForecaster,
  discountedValue,
  fitForecaster,
  forecast,
} from './probabilistic/forecaster.js';
export { type Histories, historiesOf } from './probabilistic/histories.js';
export { type Counts, groupCounts } from './probabilistic/counts.js';
export { fitGammaGamma } from './probabilistic/gamma-gamma.js';
export { PURCHASE_MODELS, type PurchaseModel, purchaseModels } from './probabilistic/purchase-models.js';
export { type Sbg, fitSbg, sbgSurvival } from './probabilistic/sbg.js';
export { type CohortDay, type TrackedWeek, trackCohort } from './probabilistic/tracking.js';
export { type Head, anchored, headOf, logForecast } from './heads.js';
export {
  type Boosted,
  type BoostingData,
  type BoostingOptions,
  type Tree,
  fitBoosted,
  predictBoosted,
} from './boosting.js';
export {
  type KeptRows,
  type Learned,
  type LearningData,
  type TrainingStream,
  isProbabilistic,
  isSequence,
  learn,
  requireFitting,
} from './families/learn.js';
export { fitDistribution, pitOf, widen } from './families/distribution.js';
export {
  type OpenPredictor,
  type Scores,
  INTERVAL_LEVEL,
  columnsOf,
  combine,
  openPredictor,
  scoreMember,
  withDistribution,
} from './families/predictor.js';
export { forecasterDetail, trackedUntil } from './families/forecaster-detail.js';
export { figures, judge, spreadOf } from './families/judge.js';
export { type ComparedFigure, type Difference, compareByBootstrap, totalInterval } from './evaluation/bootstrap.js';
export {
  type ReliabilityGroup,
  auc,
  brier,
  pitCoverage,
  pitHistogram,
  reliabilityTable,
} from './evaluation/probability.js';
export { recencyFrequencyGrid } from './evaluation/grids.js';
export {
  MISSING_SEGMENT,
  OTHER_SEGMENTS,
  type Segment,
  decileTable,
  gainCurve,
  residualTable,
  segmentTable,
  spendHistogram,
  topCapture,
  wape,
} from './evaluation/spend.js';
