import type { Context } from '../context.js';
import { printAddresses, startStack, stopStack, untilStopped } from './stack.js';

/** `clove start`: the whole system on this machine, until Ctrl-C. */
export const start = async (ctx: Context): Promise<void> => {
  const { stack, seconds } = await startStack(ctx);
  try {
    printAddresses(ctx, stack);
    ctx.screen.result({ url: stack.url, home: stack.home, processes: stack.processes, seconds: { setup: seconds } });
    await untilStopped(ctx, stack);
  } finally {
    await stopStack(ctx, stack);
  }
};
