/**
 * `pnpm bench [train|score|ingest…] [--json] [--python PATH]`: what the machine can do when left alone; one bench after
 * the other. With `--python`, each is measured in turn with its Python peer (peer.ts). Compare only on one machine.
 *
 * `pnpm bench load [--json] [--seconds N] [--jobs N] [--minutes N]`, only by its name: the whole system under load (load.ts).
 */
import { inspect, parseArgs } from 'node:util';
import type { Bench, Case } from './case.js';
import { gateway } from './gateway.js';
import { ingest } from './ingest.js';
import { load } from './load.js';
import { pipeline } from './pipeline.js';
import { score } from './score.js';
import { train } from './train.js';

const BENCHES: Record<string, Bench> = { train, score, ingest, pipeline, gateway };

const line = (bench: string, c: Case): string => {
  const figures = [
    bench.padEnd(9) + c.name.padEnd(24) + c.rowsPerSecond.toLocaleString('en').padStart(12) + ' rows/s',
    `${c.threads} threads`,
    `${Math.round(c.peakRssBytes / 1e6)} MB`,
  ];
  if (c.perRow !== undefined) figures.push(`a row costs ${c.perRow.toFixed(2)}`);
  if (c.p99Ms !== undefined) figures.push(`99 of 100 below ${c.p99Ms} ms`, `${c.errors} errors`);
  if (c.peerRowsPerSecond !== undefined)
    figures.push(`peer ${c.peerRowsPerSecond.toLocaleString('en')} rows/s`, `${c.ratio?.toFixed(2)} times as fast`);
  return figures.join('  ');
};

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    python: { type: 'string' },
    seconds: { type: 'string', default: '30' },
    jobs: { type: 'string', default: '1000' },
    minutes: { type: 'string', default: '1' },
  },
  allowPositionals: true,
});
for (const name of positionals.length > 0 ? positionals : Object.keys(BENCHES)) {
  if (name === 'load') {
    const report = await load({
      seconds: Number(values.seconds),
      jobs: Number(values.jobs),
      minutes: Number(values.minutes),
    });
    console.log(values.json ? JSON.stringify({ bench: name, ...report }) : inspect(report, { depth: null }));
    continue;
  }
  const bench = BENCHES[name];
  if (!bench) throw new Error(`There is no bench "${name}": take ${Object.keys(BENCHES).join(', ')}, load.`);
  const cases = await bench(values.python === undefined ? {} : { python: values.python });
  if (values.json) console.log(JSON.stringify({ bench: name, cases }));
  else for (const c of cases) console.log(line(name, c));
}
