import { useCallback, useEffect, useRef, useState } from 'react';
import { useAppDispatch } from '../app/store.js';
import { type Accepted, cloveApi } from './generated/clove-api.js';

/** A form on its way: nothing yet, how far, or why not. */
export type UploadState =
  | { phase: 'idle' }
  | { phase: 'sending'; sentBytes: number; totalBytes: number }
  | { phase: 'failed'; error: unknown };

/**
 * Sends a form with files and says how far it is, which fetch cannot. `send` resolves with the gateway's answer, or with
 * undefined where the user cancelled or it failed (see `state`). Leaving the page cancels.
 */
export function useUpload<T = Accepted>() {
  const dispatch = useAppDispatch();
  const [state, setState] = useState<UploadState>({ phase: 'idle' });
  const current = useRef<XMLHttpRequest | null>(null);
  const cancel = useCallback(() => current.current?.abort(), []);
  useEffect(() => cancel, [cancel]);

  const send = useCallback(
    (path: string, form: FormData): Promise<T | undefined> =>
      new Promise((resolve) => {
        const request = new XMLHttpRequest();
        current.current = request;
        const fail = (error: unknown) => {
          setState({ phase: 'failed', error });
          resolve(undefined);
        };
        request.open('POST', path);
        request.responseType = 'json';
        request.setRequestHeader('Idempotency-Key', crypto.randomUUID());
        request.upload.addEventListener('progress', ({ loaded, total }) =>
          setState({ phase: 'sending', sentBytes: loaded, totalBytes: total }),
        );
        request.addEventListener('load', () => {
          if (request.status >= 200 && request.status < 300) {
            setState({ phase: 'idle' });
            dispatch(cloveApi.util.invalidateTags(['datasets', 'predictions', 'models', 'jobs']));
            resolve(request.response as T);
            return;
          }
          if (request.status === 401) dispatch(cloveApi.util.invalidateTags(['session']));
          fail({ status: request.status, data: request.response as unknown });
        });
        request.addEventListener('error', () => fail({ status: 'FETCH_ERROR' }));
        request.addEventListener('abort', () => {
          setState({ phase: 'idle' });
          resolve(undefined);
        });
        setState({ phase: 'sending', sentBytes: 0, totalBytes: 0 });
        request.send(form);
      }),
    [dispatch],
  );
  const reset = useCallback(() => setState({ phase: 'idle' }), []);
  return { state, send, cancel, reset };
}
