import {
  EvaluationReport,
  judgeGates,
  LeaderboardReport,
  probabilisticReferences,
  testOf,
  type GateReference,
  type GateResult,
} from '@clove/contracts';
import { shown, type Queryable } from './database.js';
import { Prisma } from './generated/client.js';

/**
 * The evaluation that a version was made with: it has no job of its own. An imported version has none; there the newest that
 * somebody asked for stands in.
 */
export const withOwnEvaluation = {
  evaluations: {
    where: { OR: [{ jobId: null }, { version: { importId: { not: null } }, report: { not: Prisma.DbNull } }] },
    select: { report: true, datasetId: true },
    orderBy: [{ createdAt: 'desc' }, { id: 'desc' }],
    take: 1,
  },
} as const satisfies Prisma.ModelVersionInclude;

/** As many leaderboards of a dataset as are looked through for one on the same test rows. */
const LEADERBOARDS = 20;

const NOT_EVALUATED: GateResult = {
  gate: 'total-bias',
  passed: false,
  measure: 'totalBias',
  figure: null,
  limit: null,
  message:
    'It was never evaluated here, so nothing vouches for its predictions: evaluate it on data with actual spend.',
};

type Judged = {
  id: string;
  modelId: string;
  number: number;
  leaderboardId: string | null;
  evaluations: { report: Prisma.JsonValue; datasetId: string | null }[];
};

/**
 * What the gates say of a version now: against the model's present champion, unless it is the version itself, and against
 * the probabilistic models of the leaderboard that it won or of another one on the same test rows. Of a version without an
 * evaluation nothing is known, which no gate lets through.
 */
export async function gatesOf(tx: Queryable, version: Judged): Promise<GateResult[]> {
  const own = version.evaluations[0];
  if (own === undefined || own.report === null) return [NOT_EVALUATED];
  const report = shown(EvaluationReport, own.report, `evaluation of ${version.id}`);
  return judgeGates(
    report,
    await championOf(tx, version, report, own.datasetId),
    await probabilisticOf(tx, version.leaderboardId, report, own.datasetId),
  );
}

async function championOf(
  tx: Queryable,
  { modelId, number }: Judged,
  report: EvaluationReport,
  datasetId: string | null,
): Promise<GateReference | null> {
  const alias = await tx.modelAlias.findUnique({
    where: { modelId_alias: { modelId, alias: 'champion' } },
    include: { model: { select: { label: true } } },
  });
  if (alias === null || alias.number === number) return null;
  const name = `the champion ${alias.model.label}@${alias.number}`;
  const reports = await tx.evaluation.findMany({
    where: { version: { modelId, number: alias.number } },
    orderBy: { createdAt: 'desc' },
    select: { report: true, datasetId: true },
  });
  const evaluations = reports.flatMap((row): GateReference[] => {
    if (row.report === null) return [];
    const { protocol, metrics } = shown(EvaluationReport, row.report, `evaluation of ${name}`);
    const elsewhere = row.datasetId === datasetId ? '' : ' of another dataset';
    return [{ name, metrics, test: testOf(protocol) + elsewhere }];
  });
  // the one on the same rows, else the one that it was made with, which is the oldest
  return evaluations.find(({ test }) => test === testOf(report.protocol)) ?? evaluations.at(-1) ?? null;
}

async function probabilisticOf(
  tx: Queryable,
  leaderboardId: string | null,
  { protocol }: EvaluationReport,
  datasetId: string | null,
): Promise<GateReference[]> {
  if (leaderboardId === null && datasetId === null) return [];
  const rows = await tx.leaderboard.findMany({
    where: leaderboardId === null ? { datasetId } : { id: leaderboardId },
    orderBy: { createdAt: 'desc' },
    take: LEADERBOARDS,
    select: { id: true, report: true },
  });
  const test = testOf(protocol);
  for (const row of rows) {
    if (row.report === null) continue;
    const report = shown(LeaderboardReport, row.report, `leaderboard (${row.id})`);
    if (testOf(report.protocol) !== test) continue;
    return probabilisticReferences(report);
  }
  return [];
}
