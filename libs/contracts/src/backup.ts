import { z } from 'zod';
import { Instant } from './common.js';

const file = { bytes: z.int().nonnegative(), sha256: z.string().regex(/^[0-9a-f]{64}$/) };

/** `backup.json` of a backup: what it consists of. Written last, so that a backup without one was not finished. */
export const BackupManifest = z.object({
  format: z.literal(1),
  createdAt: Instant.describe('when the rows were read; the files were copied after that'),
  migrations: z
    .array(z.object({ name: z.string(), checksum: z.string() }))
    .min(1)
    .describe('applied to the database, in order'),
  tables: z
    .array(z.object({ name: z.string(), columns: z.array(z.string()).min(1), rows: z.int().nonnegative(), ...file }))
    .describe('each in `database/NAME.copy`, in the text format of COPY; a table stands after those that it refers to'),
  files: z.array(z.object({ key: z.string(), ...file })).describe('each of the artifact store, in `artifacts/KEY`'),
  missing: z.array(z.string()).describe('keys that rows name and that the artifact store did not have'),
});
export type BackupManifest = z.infer<typeof BackupManifest>;
