import {
  type BaseQueryFn,
  type FetchArgs,
  type FetchBaseQueryError,
  createApi,
  fetchBaseQuery,
} from '@reduxjs/toolkit/query/react';
import { connectionLost, connectionRestored } from '../app/connection.js';

const send = fetchBaseQuery({ baseUrl: '/', credentials: 'same-origin' });

/** Path of a request, whichever form it has. */
const pathOf = (args: string | FetchArgs): string => (typeof args === 'string' ? args : args.url);

/**
 * Every request of the app. It notes whether the gateway answers, and where a session has ended (401) it has the user
 * looked up again, upon which the shell leads to the sign-in page.
 */
const baseQuery: BaseQueryFn<string | FetchArgs, unknown, FetchBaseQueryError> = async (args, api, options) => {
  const result = await send(args, api, options);
  if (api.signal.aborted) return result;
  const status = result.error?.status;
  if (status === 'FETCH_ERROR' || status === 'TIMEOUT_ERROR') api.dispatch(connectionLost());
  else api.dispatch(connectionRestored());
  if (status === 401 && !['/v1/me', '/v1/login'].includes(pathOf(args))) {
    api.dispatch(baseApi.util.invalidateTags(['session']));
  }
  return result;
};

/** The cache of what the gateway answered. Endpoints come from the generated client. */
export const baseApi = createApi({
  reducerPath: 'api',
  baseQuery,
  tagTypes: ['session'],
  refetchOnReconnect: true,
  endpoints: () => ({}),
});
