export { cohortDays } from './cohort-days.js';
export { type DuckOptions } from './duck.js';
export { fingerprintOf } from './fingerprint.js';
export { generateDataset, generateFile } from './generate.js';
export { type IngestFile, type IngestRequest, ingestFiles } from './ingest.js';
export { type PredictionChunk, type PredictionWriter, createPredictionWriter } from './prediction-writer.js';
export { readRows } from './rows.js';
export { type ScanOptions, loadFeatures, scan } from './scan.js';
export { snapshot } from './snapshot.js';
