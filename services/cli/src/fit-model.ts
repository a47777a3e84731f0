import { type Fit, fitBgBb, fitGammaGamma, fitSbg, groupCounts, purchaseModels } from '@clove/clv';
import { CloveError } from '@clove/contracts';
import type { FitInput, FittedModel } from './fit-input.js';

/** A fitted model as `--json` shows it. */
export type FitResult = {
  model: FittedModel;
  parameters: Record<string, number>;
  /** null for parameters at a border, and where the data do not determine them */
  standardErrors: Record<string, number | null>;
  logLikelihood: number;
  customers: number;
  /** unit of time of the parameters */
  unit: string;
  /** what was taken for granted; null where nothing was */
  assumed: string | null;
  atBorder: string[];
  iterations: number;
};

/** Size of a cohort of which only shares are known. */
const COHORT = 1000;

const total = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0);

/** Rows of weight w as w rows of weight 1, for a model that takes no weights. */
const repeated = (values: Float64Array, weight: Float64Array | undefined): Float64Array =>
  weight === undefined
    ? values
    : Float64Array.from(Array.from(values).flatMap((value, row) => Array<number>(weight[row]!).fill(value)));

/**
 * Fits a model to customers by maximum likelihood.
 * @throws CloveError 'not-converged', 'not-enough-data', 'value-invalid'
 */
export const fitModel = (model: FittedModel, { columns, unit }: FitInput): FitResult => {
  const column = (name: keyof FitInput['columns']): Float64Array => {
    const values = columns[name];
    if (values === undefined) throw new CloveError('column-missing', `${model} needs the column ${name}.`);
    return values;
  };
  const { weight } = columns;
  if (weight?.some((value) => !Number.isInteger(value) || value < 0))
    throw new CloveError('value-invalid', 'Weights are numbers of customers: whole and not below 0.');
  const shown = (fit: Fit<string>, customers: number, assumed: string | null = null): FitResult => ({
    model,
    parameters: fit.parameters,
    standardErrors: Object.fromEntries(
      Object.entries(fit.standardErrors).map(([name, value]) => [name, Number.isFinite(value) ? value : null]),
    ),
    logLikelihood: fit.logLikelihood,
    customers,
    unit,
    assumed,
    atBorder: fit.atBorder,
    iterations: fit.iterations,
  });

  if (model === 'sbg') {
    const survival = column('survival');
    const size = survival[0]!;
    const shares = Array.from(survival, (value) => value / size);
    if (size > 1) return shown(fitSbg(shares, size), size);
    const assumed = `The shares are taken to be of ${COHORT} customers: the standard errors and the log-likelihood depend on it, the parameters do not.`;
    return shown(fitSbg(shares, COHORT), COHORT, assumed);
  }
  if (model === 'bg-bb') {
    const x = column('x');
    const weights = weight ?? new Float64Array(x.length).fill(1);
    return shown(fitBgBb({ x, tx: column('tx'), n: column('n'), weight: weights }), total(weights));
  }
  const x = repeated(column('x'), weight);
  if (model === 'gamma-gamma') {
    const spend = repeated(column('spend'), weight);
    // who did not come back, or spent nothing, tells nothing about spend a repeat order
    const rows = Array.from(x.keys()).filter((row) => x[row]! > 0 && spend[row]! > 0);
    const fit = fitGammaGamma({ x: rows.map((row) => x[row]!), mean: rows.map((row) => spend[row]!) });
    return shown(fit, rows.length);
  }
  const counts = groupCounts(x, repeated(column('tx'), weight), repeated(column('T'), weight));
  return shown(purchaseModels[model].fit(counts), x.length);
};
