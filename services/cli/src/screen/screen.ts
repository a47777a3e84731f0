import type { Warning } from '@clove/contracts';
import { count, duration } from './format.js';
import { printable } from './table.js';

/** Where the lines go; the process's own streams, or a test's. */
type Sink = { write(text: string): unknown; isTTY?: boolean; columns?: number };

/** A step that takes its time. Ends with `done` or `failed`, once. */
type Step = {
  /** @param fraction 0 to 1 @param stage what is going on, for people */
  update(fraction: number, stage: string): void;
  /** @param summary what came out, on the same line. Returns the seconds that it took. */
  done(summary: string): number;
  failed(): void;
};

/**
 * What a command prints. Results go to stdout; progress, notes and warnings to stderr, so that a pipe gets the result
 * alone. A terminal gets bars that move, a pipe plain lines. With `json`, stdout holds one JSON document and nothing
 * else; with `quiet`, stderr holds only warnings and errors.
 */
export type Screen = {
  readonly json: boolean;
  /** Lines of a result, for people; not printed with `json`. */
  print(...lines: string[]): void;
  /** The result, for programs; printed with `json` only. */
  result(value: unknown): void;
  /** A remark on stderr. */
  note(...lines: string[]): void;
  /** Warnings on stderr, each once, with what they count. Printed even when quiet. */
  warn(warnings: readonly Warning[]): void;
  step(name: string): Step;
  /** Marks up text for stdout where it is a terminal. */
  bold(text: string): string;
  dim(text: string): string;
  /** A sign for the outcome of a check, for stdout. */
  mark(status: 'ok' | 'warn' | 'fail'): string;
};

const MARKS = { ok: ['✓', 'green'], warn: ['!', 'yellow'], fail: ['✗', 'red'] } as const;

type Style = 'bold' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';
const CODES: Record<Style, [number, number]> = {
  bold: [1, 22],
  dim: [2, 22],
  green: [32, 39],
  yellow: [33, 39],
  red: [31, 39],
  cyan: [36, 39],
};

const NAME_WIDTH = 9;
const BAR_WIDTH = 24;

const bar = (fraction: number): string => {
  const full = Math.round(fraction * BAR_WIDTH);
  return '█'.repeat(full) + '░'.repeat(BAR_WIDTH - full);
};

/** @param o.environment decides on colours: none with NO_COLOR or a dumb terminal */
export const createScreen = (o: {
  json: boolean;
  quiet: boolean;
  stdout?: Sink;
  stderr?: Sink;
  environment?: NodeJS.ProcessEnv;
}): Screen => {
  const stdout: Sink = o.stdout ?? process.stdout;
  const stderr: Sink = o.stderr ?? process.stderr;
  const environment = o.environment ?? process.env;
  const coloured = !environment['NO_COLOR'] && environment['TERM'] !== 'dumb';
  const styled = (sink: Sink) => (style: Style, text: string) =>
    sink.isTTY === true && coloured ? `\u001b[${CODES[style][0]}m${text}\u001b[${CODES[style][1]}m` : text;
  const onOut = styled(stdout);
  const onErr = styled(stderr);
  const moving = stderr.isTTY === true && environment['TERM'] !== 'dumb' && !environment['CI'];
  const warned = new Set<string>();
  let live: string | undefined;

  const clear = () => {
    if (live !== undefined) stderr.write('\r\u001b[2K');
  };
  const draw = (line: string) => {
    clear();
    // A line that wraps could not be taken back, so it is cut to the terminal's width.
    live = [...line].slice(0, (stderr.columns ?? 80) - 1).join('');
    stderr.write(live);
  };
  const line = (text: string) => {
    const before = live;
    clear();
    live = undefined;
    stderr.write(`${text}\n`);
    if (before !== undefined) draw(before);
  };

  return {
    json: o.json,
    print: (...lines) => {
      if (!o.json) for (const text of lines) stdout.write(`${text}\n`);
    },
    result: (value) => {
      if (o.json) stdout.write(`${JSON.stringify(value)}\n`);
    },
    note: (...lines) => {
      if (!o.quiet) for (const text of lines) line(text);
    },
    warn: (warnings) => {
      for (const warning of warnings) {
        const message = printable(warning.message);
        const key = `${warning.code} ${message}`;
        if (warned.has(key)) continue;
        warned.add(key);
        // Most messages name their count already.
        const figure = warning.count === undefined ? '' : count(warning.count);
        const counted = figure === '' || message.includes(figure) ? '' : ` (${figure})`;
        line(`  ${onErr('yellow', '! ')}${message}${counted}`);
      }
    },
    step: (name) => {
      const label = name.padEnd(NAME_WIDTH);
      const start = performance.now();
      const seconds = () => (performance.now() - start) / 1000;
      let fraction = 0;
      let stage = '';
      let shown = -1;
      let shownStage = '';
      const redraw = () =>
        draw(`  · ${label} ${bar(fraction)} ${String(Math.floor(fraction * 100)).padStart(3)} %  ${stage}`);
      // Redrawn on a timer too, so that a step whose stage stays silent is seen to be alive.
      const timer = moving && !o.quiet ? setInterval(redraw, 200) : undefined;
      timer?.unref();
      if (timer) redraw();
      const end = () => {
        clearInterval(timer);
        clear();
        live = undefined;
      };
      return {
        update: (f, text) => {
          fraction = Math.max(fraction, Math.min(1, f));
          stage = printable(text);
          if (o.quiet || moving) return;
          // A pipe gets a line a quarter, or a line a new stage while the fraction stands still: a log, not a film.
          const quarter = Math.floor(fraction * 4);
          if (quarter === shown && (fraction > 0 || stage === shownStage)) return;
          shown = quarter;
          shownStage = stage;
          if (fraction < 1) line(`  · ${label} ${String(Math.floor(fraction * 100)).padStart(3)} %  ${stage}`);
        },
        done: (summary) => {
          end();
          const took = Math.round(seconds() * 1000) / 1000;
          if (!o.quiet) line(`  ${onErr('green', '✓')} ${label} ${duration(took).padStart(7)}  ${printable(summary)}`);
          return took;
        },
        failed: () => {
          end();
          if (!o.quiet) line(`  ${onErr('red', '✗')} ${label} ${duration(seconds()).padStart(7)}  ${stage}`.trimEnd());
        },
      };
    },
    bold: (text) => onOut('bold', text),
    dim: (text) => onOut('dim', text),
    mark: (status) => onOut(MARKS[status][1], MARKS[status][0]),
  };
};
