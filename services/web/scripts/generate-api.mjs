// Writes the client of the API from the committed OpenAPI document; with --check only says whether it is current.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { generateEndpoints } from '@rtk-query/codegen-openapi';

const schemaFile = fileURLToPath(new URL('../../gateway/openapi.json', import.meta.url));
const clientFile = fileURLToPath(new URL('../src/api/generated/clove-api.ts', import.meta.url));

/** Files are fetched by links and events by EventSource, not through the cache of the client. */
const isAFile = (operation) =>
  Object.values(operation.responses ?? {}).some(({ content = {} }) =>
    Object.keys(content).some((type) => !type.endsWith('json')),
  );

const code = await generateEndpoints({
  schemaFile,
  apiFile: '../base.js',
  apiImport: 'baseApi',
  exportName: 'cloveApi',
  hooks: true,
  tag: true,
  unionUndefined: true,
  useUnknown: true,
  encodePathParams: true,
  esmExtensions: true,
  filterEndpoints: (_name, { operation }) => !isAFile(operation),
});
const client = `// Generated from services/gateway/openapi.json by "pnpm openapi". Not edited by hand.\n${code}`;

if (process.argv.includes('--check')) {
  if (readFileSync(clientFile, 'utf8') !== client) {
    process.stderr.write('The web client does not fit services/gateway/openapi.json: run "pnpm openapi".\n');
    process.exit(1);
  }
} else {
  writeFileSync(clientFile, client);
}
