import { describe, expect, test } from 'vitest';
import { createScreen } from './screen.js';

const sink = (isTTY: boolean) => {
  const chunks: string[] = [];
  return { isTTY, columns: 80, write: (text: string) => chunks.push(text), text: () => chunks.join('') };
};
const screens = (o: { json?: boolean; quiet?: boolean; isTTY?: boolean } = {}) => {
  const stdout = sink(o.isTTY ?? false);
  const stderr = sink(o.isTTY ?? false);
  const screen = createScreen({ json: o.json ?? false, quiet: o.quiet ?? false, stdout, stderr, environment: {} });
  return { screen, stdout, stderr };
};

/** What a terminal shows at the end: carriage returns and erased lines applied. */
const shown = (written: string): string[] =>
  written.split('\n').map((line) => {
    let cells = '';
    // eslint-disable-next-line no-control-regex
    for (const piece of line.replaceAll(/\u001b\[\d+m/g, '').split(/(?=\r)|(?<=\u001b\[2K)/)) {
      if (piece === '\r\u001b[2K') cells = '';
      else cells += piece;
    }
    return cells;
  });

describe('what is printed where', () => {
  test('with --json, stdout holds the result and nothing else', () => {
    const { screen, stdout, stderr } = screens({ json: true });
    screen.print('a table');
    screen.note('a note');
    screen.warn([{ code: 'w', message: 'a warning' }]);
    const step = screen.step('train');
    step.update(0.5, 'half');
    step.done('all');
    screen.result({ a: [1, null] });
    expect(JSON.parse(stdout.text())).toEqual({ a: [1, null] });
    expect(stderr.text()).toContain('a warning');
  });

  test('for people, results go to stdout and progress to stderr', () => {
    const { screen, stdout, stderr } = screens();
    screen.print('a table');
    screen.result({ never: 'printed' });
    screen.step('train').done('3 epochs');
    expect(stdout.text()).toBe('a table\n');
    expect(stderr.text()).toMatch(/✓ train .*3 epochs\n$/);
  });

  test('--quiet keeps warnings and drops progress and notes', () => {
    const { screen, stderr } = screens({ quiet: true });
    screen.note('a note');
    const step = screen.step('train');
    step.update(0.3, 'epoch 3');
    step.done('done');
    expect(stderr.text()).toBe('');
    screen.warn([{ code: 'w', message: 'a warning', count: 1234 }]);
    screen.warn([{ code: 'v', message: '12 rows are odd', count: 12 }]);
    expect(stderr.text()).toContain('a warning (1,234)');
    expect(stderr.text()).toMatch(/12 rows are odd$/m);
  });

  test('a warning that comes back is printed once', () => {
    const { screen, stderr } = screens();
    screen.warn([{ code: 'w', message: 'odd rows' }]);
    screen.warn([
      { code: 'w', message: 'odd rows' },
      { code: 'w', message: 'other rows' },
    ]);
    expect(stderr.text().match(/odd rows/g)).toHaveLength(1);
    expect(stderr.text()).toContain('other rows');
  });
});

describe('progress', () => {
  test('a pipe gets few plain lines, however often the stage changes', () => {
    const { screen, stderr } = screens();
    const step = screen.step('train');
    for (let epoch = 0; epoch < 1000; epoch += 1) step.update(epoch / 1000, `epoch ${epoch}`);
    step.done('best epoch 7');
    const lines = stderr.text().trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(6);
    expect(stderr.text()).not.toContain('\r');
    expect(stderr.text()).not.toContain('\u001b');
  });

  test('a terminal ends with the outcome alone, no rest of a bar', () => {
    const { screen, stderr } = screens({ isTTY: true });
    const step = screen.step('train');
    step.update(0.5, 'epoch 5');
    screen.note('  a note meanwhile');
    step.done('best epoch 7');
    const lines = shown(stderr.text()).filter((line) => line !== '');
    expect(lines).toHaveLength(2);
    expect(lines[0]).toBe('  a note meanwhile');
    expect(lines[1]).toMatch(/^ {2}✓ train {4,}\d+\.\d s {2}best epoch 7$/);
  });

  test('no line is wider than the terminal', () => {
    const { screen, stderr } = screens({ isTTY: true });
    const step = screen.step('train');
    step.update(0.5, 'x'.repeat(500));
    const widest = Math.max(
      ...stderr
        .text()
        .split('\r\u001b[2K')
        .map((line) => line.length),
    );
    expect(widest).toBeLessThan(80);
    step.failed();
  });

  test('progress never runs backwards', () => {
    const { screen, stderr } = screens();
    const step = screen.step('train');
    step.update(0.6, 'late');
    step.update(0.1, 'an older state');
    expect(stderr.text()).not.toContain('10 %');
    step.failed();
  });

  test('data cannot write control sequences to the terminal', () => {
    const { screen, stderr } = screens();
    screen.warn([{ code: 'w', message: 'column "\u001b[2Jevil\u0007"' }]);
    screen.step('ingest').done('\u001b]0;title\u0007');
    // eslint-disable-next-line no-control-regex
    expect(stderr.text()).not.toMatch(/[\u001b\u0007]/);
  });
});
