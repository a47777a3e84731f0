import type { Counts } from './counts.js';
import type { Fit } from './fit.js';
import { bgNbdAlive, bgNbdExpected, bgNbdIfAlive, fitBgNbd } from './bg-nbd.js';
import { fitMbgNbd, mbgNbdAlive, mbgNbdExpected, mbgNbdIfAlive } from './mbg-nbd.js';
import { fitNbd, nbdExpected, nbdIfAlive, nbdSilence } from './nbd.js';
import { fitParetoNbd, paretoNbdAlive, paretoNbdExpected, paretoNbdIfAlive, paretoNbdSilence } from './pareto-nbd.js';

/** Models of when customers order. `nbd` has no drop-out: it is what the others become where nobody drops out. */
export const PURCHASE_MODELS = ['bg-nbd', 'mbg-nbd', 'pareto-nbd', 'nbd'] as const;
export type PurchaseModel = (typeof PURCHASE_MODELS)[number];

type Parameters = Record<string, number>;

/** What a forecaster asks of a purchase model. Times in one unit throughout; histories as in `Counts`. */
type PurchaseModelFunctions = {
  /** @throws CloveError `not-converged` */
  fit(counts: Counts): Fit<string>;
  /** P(alive at T) */
  alive(p: Parameters, x: number, tx: number, T: number): number;
  /** orders in the next t if alive at T; with `discount` > 0 an order at time τ from now counts e^(-discount·τ) */
  ifAlive(p: Parameters, x: number, T: number, t: number, discount?: number): number;
  /** P(no order in the next t) if alive at T */
  silence(p: Parameters, x: number, T: number, t: number): number;
  /** orders after the first of a new customer in a time t */
  expected(p: Parameters, t: number): number;
};

export const purchaseModels: Record<PurchaseModel, PurchaseModelFunctions> = {
  'bg-nbd': {
    fit: fitBgNbd,
    alive: bgNbdAlive,
    ifAlive: bgNbdIfAlive,
    silence: nbdSilence,
    expected: bgNbdExpected,
  },
  'mbg-nbd': {
    fit: fitMbgNbd,
    alive: mbgNbdAlive,
    ifAlive: mbgNbdIfAlive,
    silence: nbdSilence,
    expected: mbgNbdExpected,
  },
  'pareto-nbd': {
    fit: fitParetoNbd,
    alive: paretoNbdAlive,
    ifAlive: paretoNbdIfAlive,
    silence: paretoNbdSilence,
    expected: paretoNbdExpected,
  },
  nbd: { fit: fitNbd, alive: () => 1, ifAlive: nbdIfAlive, silence: nbdSilence, expected: nbdExpected },
};
