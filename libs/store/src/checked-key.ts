import { CloveError } from '@clove/contracts';

const KEY = /^[A-Za-z0-9][A-Za-z0-9._-]*(\/[A-Za-z0-9][A-Za-z0-9._-]*){0,9}$/;
const MAX_KEY_LENGTH = 300;

/** True of what `checkedKey` takes. */
export const isKey = (key: string): boolean => key.length <= MAX_KEY_LENGTH && KEY.test(key);

/** The key itself. @throws CloveError 'bad-request' where it is none (see ArtifactStore): it could name a path elsewhere. */
export function checkedKey(key: string): string {
  if (isKey(key)) return key;
  throw new CloveError('bad-request', `${JSON.stringify(key.slice(0, 100))} is no key of the artifact store.`);
}
