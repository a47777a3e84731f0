import { Worker } from 'node:worker_threads';
import { CloveError, type ScoreRequest } from '@clove/contracts';
import type { AnswerThreadInput, AnswerThreadQuestion, AnswerThreadReply, ScoredRows } from './answer-thread.js';

type Waiting = { resolve(reply: ScoredRows): void; reject(error: CloveError): void };

/**
 * Scores JSON rows in one long-lived thread with open models. The thread starts with the first question; where it crashes,
 * the questions it had fail with `unavailable` and the next one starts a new thread.
 */
export class ScoringThread {
  private thread: Worker | undefined;
  private readonly waiting = new Map<number, Waiting>();
  private count = 0;

  constructor(private readonly input: AnswerThreadInput) {}

  /** What the model says to the rows, or why it refuses. */
  ask(versionId: string, rows: ScoreRequest['rows']): Promise<ScoredRows> {
    this.thread ??= this.start();
    const id = (this.count += 1);
    const { thread } = this;
    return new Promise<ScoredRows>((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      const question: AnswerThreadQuestion = { id, versionId, rows };
      thread.postMessage(question, []);
    });
  }

  async close(): Promise<void> {
    await this.thread?.terminate();
  }

  private start(): Worker {
    const thread = new Worker(new URL('./answer-thread.js', import.meta.url), { workerData: this.input });
    let cause: unknown;
    thread.on('message', ({ id, reply }: AnswerThreadReply) => {
      this.waiting.get(id)?.resolve(reply);
      this.waiting.delete(id);
    });
    thread.on('error', (error) => {
      cause = error;
    });
    thread.on('exit', () => {
      this.thread = undefined;
      const error = new CloveError('unavailable', 'The scoring thread ended before it answered. Ask again.', { cause });
      for (const { reject } of this.waiting.values()) reject(error);
      this.waiting.clear();
    });
    return thread;
  }
}
