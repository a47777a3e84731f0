/** Script that prints what `probeBackends` finds as JSON; started by commands/doctor.ts only. */
import { probeBackends } from '@clove/engine';

process.stdout.write(JSON.stringify(await probeBackends()));
