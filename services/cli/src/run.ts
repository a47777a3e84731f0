import { CloveError } from '@clove/contracts';
import { CommanderError } from 'commander';
import { EXIT, exitCodeOf } from './exit-codes.js';
import { createProgram } from './program.js';
import { createScreen } from './screen/screen.js';

/** An error as one clear message, without a stack unless DEBUG is set. */
const describe = (error: unknown): { code: string; message: string } =>
  error instanceof CloveError
    ? { code: error.code, message: error.message }
    : { code: 'internal', message: error instanceof Error ? error.message : String(error) };

/**
 * Runs one command line and resolves with its exit code. Never throws: an error is printed to stderr, and with `--json`
 * as `{"error": {code, message}}` to stdout, so that a program finds a document there whatever happens.
 * @param argv arguments without the node and script paths
 */
export const runCli = async (argv: readonly string[]): Promise<number> => {
  let code: number = EXIT.ok;
  const interruption = new AbortController();
  const interrupt = () => {
    if (interruption.signal.aborted) process.exit(EXIT.cancelled);
    interruption.abort(new CloveError('cancelled', 'Cancelled.'));
  };
  const report = (error: { code: string; message: string }) => {
    process.stderr.write(
      `${process.stderr.isTTY && !process.env['NO_COLOR'] ? '\u001b[31merror\u001b[39m' : 'error'}: ${error.message}\n`,
    );
    if (argv.includes('--json')) process.stdout.write(`${JSON.stringify({ error })}\n`);
  };

  const program = createProgram(async (action, values, args) => {
    const screen = createScreen({ json: values['json'] === true, quiet: values['quiet'] === true });
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupt);
    try {
      code =
        (await action(
          { screen, signal: interruption.signal, cancelsJobs: false, environment: process.env, values },
          ...args,
        )) ?? EXIT.ok;
    } catch (error) {
      code = exitCodeOf(error);
      if (process.env['DEBUG']) console.error(error);
      report(describe(error));
    }
  });
  const strict = (command: typeof program) => {
    command.exitOverride();
    for (const sub of command.commands) strict(sub);
  };
  strict(program);
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed its message already; asking for help is not an error.
    if (error.exitCode === 0) return EXIT.ok;
    if (argv.includes('--json'))
      process.stdout.write(
        `${JSON.stringify({ error: { code: 'invalid-input', message: error.message.replace(/^error: /, '') } })}\n`,
      );
    return EXIT.usage;
  }
  return code;
};
