export { cohortDays } from './cohort-days.js';
export { type DuckOptions, type OpenDuck } from './duck.js';
export { type Erase, eraseFromDataset, eraseFromPrediction, namesAny } from './erase.js';
export { fingerprintOf } from './fingerprint.js';
export { generateDataset, generateFile } from './generate.js';
export { hashedId } from './ingest/hashed-ids.js';
export { type IngestFile, type IngestRequest, ingestFiles } from './ingest.js';
export { joinedParquet } from './parquet-join.js';
export { KeySet, type PlainRows, openPlainCsv, scanLines } from './plain-csv.js';
export {
  type InputColumn,
  type ScoredRows,
  TIERS,
  customerCells,
  inputColumns,
  joinedCsv,
  writePredictionCsv,
  writePredictionParquet,
} from './prediction-files.js';
export { type ActualSpend, predictionsAndActuals } from './predictions-and-actuals.js';
export { readRows } from './rows.js';
export {
  type ScanOptions,
  type ScoringRows,
  type ScoringShape,
  type Stretch,
  customerAt,
  loadFeatures,
  openRows,
  scan,
  scoringRows,
} from './scan.js';
export { snapshot } from './snapshot.js';
export { type TrainingRows, keepRows, openTrainingRows, targetOf } from './training-rows.js';
