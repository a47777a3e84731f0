import { CloveError } from '@clove/contracts';
import { covarianceAt, maximise, type Failure, type Objective, type Step } from './maximise.js';

/** A fitted model: its parameters by their names in the literature, their standard errors, and how the fit went. */
export type Fit<P extends string> = {
  parameters: Record<P, number>;
  /** by the delta method from `logCovariance`; NaN for parameters at a border, and where the data do not determine them */
  standardErrors: Record<P, number>;
  /** parameters that ran to zero or to infinity: as large or small as they are, any more would do as well */
  atBorder: P[];
  /**
   * covariance of the parameters' logarithms, in the order of `parameters`; 0 for those at a border; undefined where the
   * data do not determine them
   */
  logCovariance: number[][] | undefined;
  logLikelihood: number;
  /** iterations of the optimiser that led to the maximum, and each of them */
  iterations: number;
  trace: Step[];
};

/** A log-likelihood of natural parameters that adds its derivatives by them to `gradient`, which comes zeroed. */
export type LogLikelihood = (parameters: Float64Array, gradient: Float64Array) => number;

/**
 * Maximum likelihood over positive parameters, searched in their logarithms from several starts.
 * @param o.sample a log-likelihood of part of the data and that part's share of it: the starts are tried on it, and the best
 *   is brought to the maximum on all of the data
 * @param o.objection why a result is no fit, by the largest log-likelihood that was met; undefined where there is none
 * @throws CloveError the objection, or `not-converged` with the end of each search; their traces are its `cause`
 */
export const fitPositive = <P extends string>(
  what: string,
  names: readonly P[],
  starts: readonly (readonly number[])[],
  logLikelihood: LogLikelihood,
  o: {
    sample?: { logLikelihood: LogLikelihood; share: number };
    objection?: (largest: number) => CloveError | undefined;
  } = {},
): Fit<P> => {
  const inLogs =
    (f: LogLikelihood): Objective =>
    (logs, gradient) => {
      const parameters = logs.map(Math.exp);
      gradient.fill(0);
      const value = f(parameters, gradient);
      for (let i = 0; i < parameters.length; i += 1) gradient[i]! *= parameters[i]!; // d/d ln p = p · d/dp
      return value;
    };
  const objective = inLogs(logLikelihood);
  let from: readonly ArrayLike<number>[] = starts.map((start) => start.map(Math.log));
  let curvature: number[][] | undefined;
  if (o.sample) {
    const rough = inLogs(o.sample.logLikelihood);
    const { best } = maximise(rough, from);
    if (best && best.border.length === 0) {
      from = [best.x];
      curvature = covarianceAt(rough, best)?.map((row) => row.map((v) => v * o.sample!.share));
    }
  }
  const { best, failures } = maximise(objective, from, curvature);
  const largest = Math.max(best?.value ?? -Infinity, ...failures.flatMap(({ trace }) => trace.map((s) => s.value)));
  const objection = o.objection?.(largest);
  if (objection) throw objection;
  if (!best) {
    throw new CloveError(
      'not-converged',
      `${what} could not be fitted to these customers: ${failures.map(endOf).join('; ')}. Take a longer history, or another model.`,
      { cause: failures },
    );
  }
  const logCovariance = covarianceAt(objective, best);
  const named = (value: (i: number) => number) =>
    Object.fromEntries(names.map((name, i) => [name, value(i)])) as Record<P, number>;
  return {
    parameters: named((i) => Math.exp(best.x[i]!)),
    standardErrors: named((i) =>
      best.border.includes(i) ? Number.NaN : Math.exp(best.x[i]!) * Math.sqrt(logCovariance?.[i]?.[i] ?? Number.NaN),
    ),
    atBorder: best.border.map((i) => names[i]!),
    logCovariance,
    logLikelihood: best.value,
    iterations: best.iterations,
    trace: best.trace,
  };
};

const endOf = ({ reason, trace }: Failure, i: number): string => {
  const last = trace.at(-1);
  const where = last
    ? ` after ${last.iteration} iterations at log-likelihood ${last.value.toFixed(2)}, |gradient| ${last.gradientNorm.toExponential(1)}, logarithms of the parameters ${last.x.map((v) => v.toFixed(2)).join(', ')}`
    : '';
  return `search ${i + 1}: ${reason}${where}`;
};
