import { CloveError, type Page, type PageQuery } from '@clove/contracts';
import { artifactKeys } from '@clove/store';
import type { Installation } from './gateway.js';

const DAY_MS = 24 * 3600 * 1000;
const PAGE = 200;

/** Every item of a list that was made more than so many days before `nowMs`; none where there are no days. */
async function* older<T extends { createdAt: string }>(
  days: number | undefined,
  nowMs: number,
  list: (query: PageQuery) => Promise<Page<T>>,
): AsyncGenerator<T> {
  if (days === undefined) return;
  for (let cursor: string | undefined; ;) {
    const { items, next } = await list({ limit: PAGE, ...(cursor === undefined ? {} : { cursor }) });
    for (const item of items) if (nowMs - Date.parse(item.createdAt) > days * DAY_MS) yield item;
    if (next === null) return;
    cursor = next;
  }
}

/** True where it went; what is in use stays until the next round. */
const removed = async (remove: Promise<void>): Promise<boolean> => {
  try {
    await remove;
    return true;
  } catch (error) {
    if (error instanceof CloveError && (error.code === 'conflict' || error.code === 'not-found')) return false;
    throw error;
  }
};

/**
 * Removes what is older than the environment says: the files that datasets were made of, datasets, predictions. What a job uses
 * stays until the job has ended; models, runs and evaluations stay.
 * @returns ids of the datasets and predictions that went
 */
export async function removeByAge(
  { env, registry, artifacts }: Pick<Installation, 'env' | 'registry' | 'artifacts'>,
  nowMs: number = Date.now(),
): Promise<string[]> {
  const gone: string[] = [];
  for await (const { id } of older(env.RETENTION_PREDICTION_DAYS, nowMs, registry.predictions.list)) {
    if (!(await removed(registry.predictions.remove(id)))) continue;
    await artifacts.remove(artifactKeys.predictionFiles(id));
    gone.push(id);
  }
  for await (const { id } of older(env.RETENTION_DATASET_DAYS, nowMs, registry.datasets.list)) {
    if (!(await removed(registry.datasets.remove(id)))) continue;
    await artifacts.remove(artifactKeys.dataset(id));
    await artifacts.remove(artifactKeys.uploads(id));
    gone.push(id);
  }
  for await (const { id, status } of older(env.RETENTION_UPLOAD_DAYS, nowMs, registry.datasets.list)) {
    if (status !== 'pending') await artifacts.remove(artifactKeys.uploads(id));
  }
  return gone;
}
