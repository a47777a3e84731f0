/**
 * Script of the worker thread that scores JSON rows; started by `scoring-thread.ts` only. Keeps the models that were asked
 * for last open. Answers one question after the other: a session computes in the thread that called it anyway.
 */
import { buffer } from 'node:stream/consumers';
import { parentPort, workerData } from 'node:worker_threads';
import type { OpenPredictor } from '@clove/clv';
import { type ArtifactName, CloveError, type ScoreRequest } from '@clove/contracts';
import { type ArtifactStore, artifactKeys, openArtifacts } from '@clove/store';
import { openModel } from './model.js';
import { type Refusal, refusalOf } from './refusal.js';
import { scoreRows } from './score-rows.js';

export type AnswerThreadInput = { artifactsDir: string; openModels: number };
export type AnswerThreadQuestion = { id: number; versionId: string; rows: ScoreRequest['rows'] };
export type ScoredRows = { ok: true; value: Awaited<ReturnType<typeof scoreRows>> } | Refusal;
export type AnswerThreadReply = { id: number; reply: ScoredRows };

/** The models used last, open, the least recently used first. */
class OpenModels {
  private readonly open = new Map<string, OpenPredictor>();

  constructor(
    private readonly artifacts: ArtifactStore,
    private readonly most: number,
  ) {}

  async get(versionId: string): Promise<OpenPredictor> {
    const model = this.open.get(versionId) ?? (await this.load(versionId));
    this.open.delete(versionId);
    this.open.set(versionId, model);
    const [oldest] = this.open.entries();
    if (this.open.size > this.most && oldest !== undefined) {
      this.open.delete(oldest[0]);
      await oldest[1].release();
    }
    return model;
  }

  private async load(versionId: string): Promise<OpenPredictor> {
    const manifest = await this.artifacts.readJson(artifactKeys.version(versionId, 'model.json'));
    const read = async (name: ArtifactName): Promise<Uint8Array> => {
      const { stream } = await this.artifacts.open(artifactKeys.version(versionId, name));
      return buffer(stream);
    };
    return openModel({ manifest, read }, { threads: 1 });
  }
}

const replyTo = async (models: OpenModels, { versionId, rows }: AnswerThreadQuestion): Promise<ScoredRows> => {
  try {
    return { ok: true, value: await scoreRows(await models.get(versionId), rows) };
  } catch (error) {
    // Anything else ends the thread, and its owner starts another.
    if (error instanceof CloveError) return refusalOf(error);
    throw error;
  }
};

const port = parentPort;
if (port === null) throw new CloveError('internal', 'answer-thread.js runs only as a worker thread of the scorer.');
const { artifactsDir, openModels } = workerData as AnswerThreadInput;
const models = new OpenModels(openArtifacts(artifactsDir), openModels);

let last = Promise.resolve();
const answerNext = async (before: Promise<void>, question: AnswerThreadQuestion): Promise<void> => {
  await before;
  const reply: AnswerThreadReply = { id: question.id, reply: await replyTo(models, question) };
  port.postMessage(reply);
};
port.on('message', (question: AnswerThreadQuestion) => {
  last = answerNext(last, question);
});
