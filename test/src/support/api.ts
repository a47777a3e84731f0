import type { Accepted, Job } from '@clove/contracts';
import { isTerminal } from '@clove/contracts';

/** What an API call of a test answered. */
export type Answer<T = unknown> = { status: number; headers: Headers; body: T };

/** Talks HTTP to a running gateway as any client would. */
export const api = (url: string, apiKey: string) => {
  const call = async <T>(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer<T>> => {
    const form = body instanceof FormData;
    const response = await fetch(`${url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${apiKey}`,
        ...(body === undefined || form ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: form ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const json = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: (json ? JSON.parse(text) : text) as T };
  };
  const get = async <T>(path: string): Promise<T> => {
    const answer = await call<T>('GET', path);
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  /** Every event of a job's stream, until the server ends it. */
  const events = async (jobId: string): Promise<{ event: string; id: string; data: unknown }[]> => {
    const response = await fetch(`${url}/v1/jobs/${jobId}/events`, { headers: { authorization: `Bearer ${apiKey}` } });
    const text = await response.text();
    return text
      .split('\n\n')
      .map((block) =>
        Object.fromEntries(
          block.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
        ),
      )
      .filter((fields) => fields.event !== undefined)
      .map((fields) => ({
        event: fields.event!,
        id: fields.id ?? '',
        data: JSON.parse(fields.data ?? 'null') as unknown,
      }));
  };
  /** Waits for the end of a job by its event stream and answers its last state as polling shows it. */
  const settled = async (jobId: string): Promise<Job> => {
    for (;;) {
      await events(jobId);
      const job = await get<Job>(`/v1/jobs/${jobId}`);
      if (isTerminal(job.status)) return job;
    }
  };
  const accepted = async (path: string, body: unknown): Promise<Accepted> => {
    const answer = await call<Accepted>('POST', path, body);
    if (answer.status !== 202) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const upload = (files: Record<string, string | Blob>, fields: Record<string, string> = {}): FormData => {
    const form = new FormData();
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    for (const [name, content] of Object.entries(files)) form.append('file', new Blob([content]), name);
    return form;
  };
  return { call, get, events, settled, accepted, upload };
};
export type Api = ReturnType<typeof api>;
