import type { Screen } from './screen/screen.js';

/** What every command is given: where to print, when to stop, and the values of its flags. */
export type Context = {
  screen: Screen;
  /** aborted by the first Ctrl-C; a second one ends the process at once */
  signal: AbortSignal;
  /** whether Ctrl-C also cancels the job that is waited for; else it goes on without the command */
  cancelsJobs: boolean;
  environment: NodeJS.ProcessEnv;
  /** flags as commander read them, by their camel-cased names; absent where the user said nothing */
  values: Readonly<Record<string, unknown>>;
};

type Values = Pick<Context, 'values'>;

/** The value of a text flag. */
export const text = (ctx: Values, name: string): string | undefined => {
  const value = ctx.values[name];
  return typeof value === 'string' ? value : undefined;
};

/** The values of a flag that may be repeated. */
export const texts = (ctx: Values, name: string): string[] => {
  const value = ctx.values[name];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
};

/** Whether a flag without a value was given. */
export const given = (ctx: Values, name: string): boolean => ctx.values[name] === true;

/** The value of a flag that takes a number. */
export const number = (ctx: Values, name: string): number | undefined => {
  const value = ctx.values[name];
  return typeof value === 'number' ? value : undefined;
};
