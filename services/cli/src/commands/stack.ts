import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloveError } from '@clove/contracts';
import { type Context, given, number, text } from '../context.js';
import { type Stack, launch } from '../launcher/launch.js';
import { STACK_RECORD } from '../remote/connect.js';

/** How often the launcher reports until the gateway is ready; for the bar only. */
const STEPS_OF_A_START = 4;

/** Starts the whole system as one step on the screen, on what the flags say. */
export const startStack = async (ctx: Context): Promise<{ stack: Stack; seconds: number }> => {
  const port = number(ctx, 'port');
  const host = text(ctx, 'host');
  const replicas = Object.fromEntries(
    (['ingesters', 'trainers', 'scorers'] as const).flatMap((role) => {
      const wanted = number(ctx, role);
      return wanted === undefined ? [] : [[role, wanted]];
    }),
  );
  const step = ctx.screen.step('servers');
  let said = 0;
  let started = false;
  let stack: Stack;
  try {
    stack = await launch({
      ...(port === undefined ? {} : { port }),
      ...(host === undefined ? {} : { host }),
      ...replicas,
      watch: given(ctx, 'watch'),
      onStep: (sentence) => {
        said += 1;
        // What happens later, such as the restart of a service, is news of its own.
        if (started) ctx.screen.note(`  ${sentence}`);
        else step.update(Math.min(0.9, said / STEPS_OF_A_START), sentence);
      },
    });
  } catch (error) {
    step.failed();
    throw error;
  }
  started = true;
  writeFileSync(recordOf(stack), JSON.stringify({ url: stack.url, pid: process.pid }));
  const seconds = step.done(`Postgres, Redis, ${stack.processes.map((process) => process.name).join(', ')}`);
  if (ctx.signal.aborted) {
    await stopStack(ctx, stack);
    throw new CloveError('cancelled', 'Stopped.');
  }
  return { stack, seconds };
};

/** Where commands on this machine find the stack that runs. */
const recordOf = (stack: Stack): string => join(stack.home, STACK_RECORD);

/** Stops everything, in order. */
export const stopStack = async (ctx: Context, stack: Stack): Promise<void> => {
  ctx.screen.note('', 'Stopping …');
  rmSync(recordOf(stack), { force: true });
  await stack.stop();
  ctx.screen.note('Everything has stopped.');
};

/** Rejects when a part of the stack dies; never resolves. */
export const partDied = async (stack: Stack): Promise<never> => {
  const { name, code } = await stack.exited;
  throw new CloveError(
    'unavailable',
    `${name} has ended too often to be started again${code === null ? '' : ` (exit code ${code})`}. Its log is in ${stack.home}/logs.`,
  );
};

/** Resolves at Ctrl-C, rejects when a part of the stack dies. */
export const untilStopped = (ctx: Context, stack: Stack): Promise<void> =>
  Promise.race([
    partDied(stack),
    new Promise<void>((resolve) => {
      if (ctx.signal.aborted) resolve();
      else ctx.signal.addEventListener('abort', () => resolve(), { once: true });
    }),
  ]);

/** Where everything is, for people. */
export const printAddresses = (ctx: Context, stack: Stack): void => {
  const user = ctx.environment['CLOVE_ADMIN_USERNAME'] || 'admin';
  const password = ctx.environment['CLOVE_ADMIN_PASSWORD'] ? 'the password in CLOVE_ADMIN_PASSWORD' : 'admin';
  ctx.screen.print(
    '',
    `  URL      ${ctx.screen.bold(stack.url)}`,
    `  API      ${stack.url}/docs`,
    `  Sign in  ${user} / ${password}`,
    `  Data     ${stack.home}`,
    '',
    '  Ctrl-C stops everything.',
  );
};
