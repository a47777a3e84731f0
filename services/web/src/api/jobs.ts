import { isTerminal } from '@clove/contracts';
import { useEffect, useRef, useState } from 'react';
import { useAppDispatch } from '../app/store.js';
import {
  type Epoch,
  type Job,
  type JobLogLine,
  type addTagTypes,
  cloveApi,
  useGetJobQuery,
} from './generated/clove-api.js';

const POLL_MS = 2000;

type Tag = (typeof addTagTypes)[number];
/** What is no longer as it was once a job has ended, by what it made. */
const CHANGED_BY: Record<Job['resource']['type'], readonly Tag[]> = {
  dataset: ['datasets', 'jobs'],
  run: ['runs', 'models', 'evaluations', 'jobs'],
  leaderboard: ['leaderboards', 'models', 'jobs'],
  evaluation: ['evaluations', 'jobs'],
  prediction: ['predictions', 'datasets', 'jobs'],
  import: ['models', 'jobs'],
  erasure: ['erasures', 'datasets', 'predictions', 'jobs'],
};

/** What a job tells while it runs, beside its state. */
export type JobListener = { onEpoch?: (epoch: Epoch) => void; onLog?: (line: JobLogLine) => void };

/** Whether the tab is in front. Streams are held only there: a browser opens few connections to one host, over all tabs. */
const useVisible = (): boolean => {
  const [visible, setVisible] = useState(!document.hidden);
  useEffect(() => {
    const update = () => setVisible(!document.hidden);
    document.addEventListener('visibilitychange', update);
    return () => document.removeEventListener('visibilitychange', update);
  }, []);
  return visible;
};

/**
 * A job as it goes on: by its event stream, and by asking every two seconds where the stream breaks. It stands on the id
 * alone, so a reload goes on where it was. When the job ends, what it made is fetched anew.
 * @param listener told of each epoch of a training and each line of the log; of some of them again after a break
 */
export function useLiveJob(id: string | undefined, listener: JobListener = {}) {
  const dispatch = useAppDispatch();
  const visible = useVisible();
  const [streaming, setStreaming] = useState(false);
  const told = useRef(listener);
  useEffect(() => {
    told.current = listener;
  });

  const [ended, setEnded] = useState(false);
  const query = useGetJobQuery(
    { id: id ?? '' },
    { skip: id === undefined, pollingInterval: ended || streaming || !visible ? 0 : POLL_MS },
  );
  const job = query.data?.id === id ? query.data : undefined;
  const over = job !== undefined && isTerminal(job.status);
  useEffect(() => setEnded(over), [over]);

  useEffect(() => {
    if (id === undefined || over || !visible) return undefined;
    const source = new EventSource(`/v1/jobs/${encodeURIComponent(id)}/events`);
    source.addEventListener('open', () => setStreaming(true));
    source.addEventListener('error', () => setStreaming(false));
    source.addEventListener('job', (event: MessageEvent<string>) => {
      const data = JSON.parse(event.data) as Job;
      void dispatch(cloveApi.util.upsertQueryData('getJob', { id }, data));
    });
    source.addEventListener('epoch', (event: MessageEvent<string>) => {
      told.current.onEpoch?.(JSON.parse(event.data) as Epoch);
    });
    source.addEventListener('log', (event: MessageEvent<string>) => {
      told.current.onLog?.(JSON.parse(event.data) as JobLogLine);
    });
    return () => {
      source.close();
      setStreaming(false);
    };
  }, [dispatch, id, over, visible]);

  const watched = useRef(false);
  const made = job?.resource.type;
  useEffect(() => {
    if (!over) watched.current = true;
    else if (watched.current && made !== undefined) {
      watched.current = false;
      dispatch(cloveApi.util.invalidateTags([...CHANGED_BY[made]]));
    }
  }, [dispatch, over, made]);

  return { job, error: job === undefined ? query.error : undefined, refetch: query.refetch };
}
