// Loaded into a service (`node --import`): at SIGUSR2 its clock moves by as many milliseconds as CLOCK_FILE says.
import { readFileSync } from 'node:fs';

const now = Date.now;
const OriginalDate = Date;
let offsetMs = 0;
globalThis.Date = class extends OriginalDate {
  constructor(...args) {
    if (args.length === 0) super(now() + offsetMs);
    else super(...args);
  }
  static now() {
    return now() + offsetMs;
  }
};
process.on('SIGUSR2', () => {
  offsetMs = Number(readFileSync(process.env.CLOCK_FILE, 'utf8'));
});
