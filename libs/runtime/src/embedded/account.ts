import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { CloveError } from '@clove/contracts';

export const isRoot = process.getuid?.() === 0;

/** A user that a process is started as. */
export type Account = { uid: number; gid: number };

/**
 * The account that Postgres runs under: Postgres refuses root, so root drops to `nobody`; nobody else changes user.
 * @throws CloveError `unavailable` where root has no such account
 */
export function serverAccount(): Account | undefined {
  if (!isRoot) return undefined;
  const entries = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const entry = entries.find(([name]) => name === 'nobody') ?? entries.find(([name]) => name === 'postgres');
  if (entry === undefined) {
    throw new CloveError(
      'unavailable',
      'Postgres does not run as root, and this machine has no account "nobody" or "postgres" to run it under. ' +
        'Run Clove as a normal user, or set DATABASE_URL to a running Postgres.',
    );
  }
  return { uid: Number(entry[2]), gid: Number(entry[3]) };
}

/** True where the account that Postgres runs under may enter a folder or run a file. */
export function reachable(file: string): boolean {
  const account = serverAccount();
  if (account === undefined) return true;
  return spawnSync('/bin/sh', ['-c', '[ -x "$0" ]', file], { ...account, cwd: '/' }).status === 0;
}
