export { cohortDays } from './cohort-days.js';
export { type DuckOptions } from './duck.js';
export { fingerprintOf } from './fingerprint.js';
export { generateDataset, generateFile } from './generate.js';
export { type IngestFile, type IngestRequest, ingestFiles } from './ingest.js';
export {
  type InputColumn,
  type ScoredRows,
  inputColumns,
  joinedPredictions,
  writePredictions,
} from './prediction-files.js';
export { type ActualSpend, predictionFigures, predictionsAndActuals } from './prediction-figures.js';
export { readRows } from './rows.js';
export {
  type ScanOptions,
  type ScoringRows,
  type ScoringShape,
  type Stretch,
  customerAt,
  loadFeatures,
  scan,
  scoringRows,
} from './scan.js';
export { snapshot } from './snapshot.js';
export { type TrainingRows, keepRows, openTrainingRows, targetOf } from './training-rows.js';
