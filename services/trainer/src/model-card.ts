import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  type DatasetProfile,
  type EvaluationReport,
  type LeaderboardReport,
  type ModelManifest,
  judgeGates,
  probabilisticReferences,
} from '@clove/contracts';

/**
 * Writes `report.html` beside a finished model: its model card, by the name of the model that it is to be a version of. Against
 * the champion it is not judged here, and the card says so: that is done when it is to be promoted.
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
    const gates = judgeGates(made.evaluation, null, leaderboard === null ? [] : probabilisticReferences(leaderboard));
    const judged = { at: new Date().toISOString(), by: 'training' } as const;
    await writeFile(join(outDir, 'report.html'), await renderModelCard({ ...made, name: modelName, gates, judged }));
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
};
