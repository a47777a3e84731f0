import { CloveError, type Question, type QuestionPayload } from '@clove/contracts';
import { readRows } from '@clove/data';
import type { Answer, Logger } from '@clove/runtime';
import { type ArtifactStore, artifactKeys } from '@clove/store';
import { recentFolder } from './recent-folder.js';
import { refusalOf } from './refusal.js';
import type { ScoringThread } from './scoring-thread.js';

export type AnsweringContext = {
  artifacts: ArtifactStore;
  scoring: ScoringThread;
  logger: Logger;
  scratchDir: string;
  memoryLimitBytes: number;
};

/** Answers one question, be it with a refusal. */
export const answer = (context: AnsweringContext) => {
  const copies = recentFolder(context.scratchDir);
  return ({ question, requestId }: QuestionPayload): Promise<Answer> =>
    replyTo({ ...context, copies }, question).catch((error: unknown): Answer => {
      if (error instanceof CloveError) return refusalOf(error);
      context.logger.error({ err: error, requestId }, 'a question could not be answered');
      return refusalOf(new CloveError('internal', 'The scorer failed; its log says more.'));
    });
};

const replyTo = async (context: AnsweringContext & { copies: () => string }, question: Question): Promise<Answer> => {
  const { copies, artifacts, scoring, scratchDir, memoryLimitBytes } = context;
  if (question.type === 'rows') {
    const { type, id, revision = null } = question.source;
    const at = { id, revision };
    const file = {
      dataset: artifactKeys.data(at),
      rejected: artifactKeys.rejected(at, 'rejected.parquet'),
      prediction: artifactKeys.prediction(at, 'predictions.parquet'),
    }[type];
    const value = await readRows({
      parquet: await artifacts.local(file, copies()),
      query: question.query,
      scratchDir,
      memoryLimitBytes,
    });
    return { ok: true, value };
  }
  return scoring.ask(question.versionId, question.request.rows);
};
