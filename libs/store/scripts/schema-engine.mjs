#!/usr/bin/env node
// Stand-in for Prisma's native schema engine, which is a download of its own: the same command line and the same
// JSON-RPC over standard input and output, served by @prisma/schema-engine-wasm and @prisma/adapter-pg from npm.
// prisma.config.ts names this file as the engine, so that `prisma migrate dev`, `deploy`, `diff`, `status` and
// `resolve` work offline. It leans on internals of Prisma: move its packages together, and run the tests.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { PrismaPg } from '@prisma/adapter-pg';
import { ColumnTypeEnum, bindMigrationAwareSqlAdapterFactory } from '@prisma/driver-adapter-utils';
import * as wasmBindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import { Client, escapeIdentifier } from 'pg';
import { parse } from 'pg-connection-string';

/** Type of Postgres's internal "char", which the engine's catalog queries return and adapter-pg does not know. */
const CHAR_OID = 18;
const TEXT_OID = 25;

const require = createRequire(import.meta.url);
const args = process.argv.slice(2);
const valuesOf = (name) => args.flatMap((arg, i) => (arg === name ? [args[i + 1]] : []));
const url = JSON.parse(valuesOf('--datasource')[0] ?? '{}').url ?? 'postgresql://localhost:5432/clove';
const database = decodeURIComponent(new URL(url).pathname.slice(1)) || 'postgres';

async function withClient(connectionString, work) {
  const client = new Client({ connectionString });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** One statement in the server's maintenance database. */
function administer(sql) {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  return withClient(maintenance.href, (client) => client.query(sql));
}

async function createDatabase() {
  try {
    await administer(`CREATE DATABASE ${escapeIdentifier(database)}`);
  } catch (error) {
    if (error.code !== '42P04' && error.code !== '23505') throw error; // made by someone else meanwhile
  }
}

const dropDatabase = (name) => administer(`DROP DATABASE IF EXISTS ${escapeIdentifier(name)} WITH (FORCE)`);

/** `schema-engine cli COMMAND`: what Prisma asks before it starts the engine proper. */
async function command(name) {
  try {
    if (name === 'can-connect-to-database') await withClient(url, async () => {});
    else if (name === 'create-database') await createDatabase();
    else if (name === 'drop-database') {
      await dropDatabase(database);
      process.stderr.write('The database was successfully dropped');
    } else throw new Error(`unknown command ${name}`);
    return 0;
  } catch (error) {
    const code = { '3D000': 'P1003', '28P01': 'P1000' }[error.code] ?? 'P1001';
    const fields = { error_code: code, message: error.message || String(error) };
    process.stderr.write(`\n${JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields })}`);
    return 1;
  }
}

/** Reads internal "char" columns as text and names them as characters. */
function withCharType(connection) {
  const charColumns = new WeakMap();
  const performIO = connection.performIO.bind(connection);
  const queryRaw = connection.queryRaw.bind(connection);
  connection.performIO = async (query) => {
    const result = await performIO(query);
    const found = result.fields.flatMap((field, i) => (field.dataTypeID === CHAR_OID ? [i] : []));
    for (const i of found) result.fields[i].dataTypeID = TEXT_OID;
    charColumns.set(query, found);
    return result;
  };
  connection.queryRaw = async (query) => {
    const result = await queryRaw(query);
    for (const i of charColumns.get(query)) result.columnTypes[i] = ColumnTypeEnum.Character;
    return result;
  };
  return connection;
}

class MigratePg extends PrismaPg {
  async connect() {
    const connection = withCharType(await super.connect());
    // adapter-pg splits scripts at ';', which breaks function bodies; the native engine sends the script whole, too.
    connection.executeScript = async (sql) => {
      try {
        await connection.underlyingDriver().query(sql);
      } catch (error) {
        connection.onError(error);
      }
    };
    return connection;
  }

  async connectToShadowDb() {
    // adapter-pg's own drops the shadow database while it is still connected to it
    const name = `prisma_migrate_shadow_db_${crypto.randomUUID()}`;
    await administer(`CREATE DATABASE ${escapeIdentifier(name)}`);
    const connection = await new MigratePg({ ...this.config, database: name }).connect();
    const dispose = connection.dispose.bind(connection);
    connection.dispose = async () => {
      await dispose();
      await dropDatabase(name);
    };
    return connection;
  }
}

let panic;
async function startEngine() {
  const file = require.resolve('@prisma/schema-engine-wasm').replace(/schema_engine\.js$/, 'schema_engine_bg.wasm');
  const imports = { './schema_engine_bg.js': wasmBindings };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), imports);
  globalThis.PRISMA_WASM_PANIC_REGISTRY = {
    set_message: (message) => {
      panic = message;
    },
  };
  const { __wbg_set_wasm: setWasm } = wasmBindings;
  setWasm(exports);
  exports['__wbindgen_start']();

  const schema = new URL(url).searchParams.get('schema') ?? undefined;
  // The parts of the URL, for as `connectionString` it would win over the database name of a shadow database.
  const { schema: _, ...config } = parse(url);
  const factory = bindMigrationAwareSqlAdapterFactory(new MigratePg({ ...config, max: 1 }, { schema }));
  const datamodels = valuesOf('--datamodels').map((path) => [path, readFileSync(path, 'utf8')]);
  return wasmBindings.SchemaEngine.new(datamodels.length > 0 ? { datamodels } : {}, () => {}, factory);
}

const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);

let started;
async function call(method, params) {
  if (method === 'createDatabase') {
    await createDatabase();
    return { databaseName: database };
  }
  const engine = await (started ??= startEngine());
  if (method === 'getDatabaseVersion') return engine.version(params ?? null);
  if (method === 'diff') {
    const { stdout, ...rest } = await engine.diff(params);
    if (stdout) send({ id: 'print-1', method: 'print', params: { content: stdout } });
    return { ...rest, stdout: null };
  }
  return (await engine[method](params)) ?? {};
}

/** One JSON-RPC request after the other, until standard input ends. */
async function serve() {
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, method, params } = JSON.parse(line);
    if (method === undefined) continue; // the answer to our own `print`
    try {
      send({ id, result: await call(method, params) });
    } catch (error) {
      const data = {
        is_panic: false,
        message: panic ?? error.message ?? String(error),
        error_code: error.code ?? null,
        meta: error.meta ?? null,
      };
      send({ id, error: { code: 4466, message: 'An error happened. Check the data field for details.', data } });
    }
  }
}

if (args.includes('cli')) process.exitCode = await command(args[args.indexOf('cli') + 1]);
else if (args.includes('--version')) {
  process.stdout.write(`schema-engine-cli wasm ${require('@prisma/engines-version').enginesVersion ?? ''}\n`);
} else {
  await serve();
  process.exit(0); // whatever connection is open: Prisma has closed our input
}
