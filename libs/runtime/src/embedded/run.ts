import { execFile, type ExecFileOptions } from 'node:child_process';

/** How a command ended: `said` is the end of what it wrote, or why it could not run. */
export type Ran = { ok: boolean; stdout: string; said: string };

/** Runs a command to its end beside everything else; never rejects. */
export const run = (command: string, args: string[], options: ExecFileOptions = {}): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(
      command,
      args,
      { cwd: '/', maxBuffer: 16 * 1024 ** 2, ...options, encoding: 'utf8' },
      (error, stdout, stderr) => {
        const written = (stderr.trim() || stdout.trim()).split('\n').slice(-6).join('\n');
        resolve({ ok: error === null, stdout, said: written || (error?.message ?? '') });
      },
    );
  });
