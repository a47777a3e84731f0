import { CloveError, Question, type QuestionPayload, type RowPage, type ScoreResponse } from '@clove/contracts';
import { readRows } from '@clove/data';
import type { Logger } from '@clove/runtime';
import { type ArtifactStore, type Registry, artifactKeys } from '@clove/store';
import { type Refusal, refusalOf } from './refusal.js';
import type { ScoringThread } from './scoring-thread.js';

export type AnsweringContext = {
  registry: Registry;
  artifacts: ArtifactStore;
  scoring: ScoringThread;
  logger: Logger;
  scratchDir: string;
  memoryLimitBytes: number;
};

/** Answers one question: reads it from the store, and stores the reply, a refusal too, beside it. */
export const answer =
  (context: AnsweringContext) =>
  async ({ key, requestId }: QuestionPayload): Promise<void> => {
    const reply = await replyTo(context, key).catch((error: unknown): Refusal => {
      if (error instanceof CloveError) return refusalOf(error);
      context.logger.error({ err: error, requestId }, 'a question could not be answered');
      return refusalOf(new CloveError('internal', 'The scorer failed; its log says more.'));
    });
    await context.artifacts.put(`${key}.reply`, JSON.stringify(reply));
  };

/** A `Reply`, its value not yet JSON. */
type Answer = { ok: true; value: RowPage | ScoreResponse } | Refusal;

const replyTo = async (context: AnsweringContext, key: string): Promise<Answer> => {
  const { registry, artifacts, scoring, scratchDir, memoryLimitBytes } = context;
  const question = Question.parse(await artifacts.readJson(key));
  if (question.type === 'rows') {
    const { type, id } = question.source;
    const file = {
      dataset: artifactKeys.data(id),
      rejected: artifactKeys.rejected(id, 'rejected.parquet'),
      prediction: artifactKeys.prediction(id, 'predictions.parquet'),
    }[type];
    const value = await readRows({
      parquet: await artifacts.local(file, scratchDir),
      query: question.query,
      scratchDir,
      memoryLimitBytes,
    });
    return { ok: true, value };
  }
  const { model, version } = await registry.models.versionById(question.versionId);
  const reply = await scoring.ask(question.versionId, question.request.rows);
  return reply.ok ? { ok: true, value: { model, version, ...reply.value } } : reply;
};
