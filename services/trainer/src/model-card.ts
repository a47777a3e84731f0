import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DatasetProfile,
  type EvaluationReport,
  type LeaderboardReport,
  type ModelManifest,
  judgeGates,
  testOf,
} from '@clove/contracts';

/**
 * Writes `report.html` beside a finished model: its model card, by the name of the model that it is to be a version of. Against
 * the champion it is not judged here: that is done when it is to be promoted.
 * @returns why there is none, where it could not be drawn: a version without its report is better than none
 */
export const writeModelCard = async (
  outDir: string,
  modelName: string,
  made: {
    manifest: ModelManifest;
    evaluation: EvaluationReport;
    profile: DatasetProfile;
    leaderboard: LeaderboardReport | null;
  },
): Promise<string | null> => {
  try {
    const { renderModelCard } = await import('@clove/charts/report');
    const { leaderboard } = made;
    const probabilistic = (leaderboard?.rows ?? []).filter(({ family }) => family === 'probabilistic');
    const references = probabilistic.map(({ model, metrics }) => ({
      name: `${model} of the leaderboard`,
      metrics,
      test: testOf(leaderboard!.protocol),
    }));
    const gates = judgeGates(made.evaluation, null, references);
    await writeFile(join(outDir, 'report.html'), await renderModelCard({ ...made, name: modelName, gates }));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
