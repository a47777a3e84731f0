#!/usr/bin/env node
// Stand-in for Prisma's native schema-engine: same CLI + JSON-RPC-over-stdio protocol, backed by
// @prisma/schema-engine-wasm and @prisma/adapter-pg (both come from npm; nothing is downloaded).
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { PrismaPg } from '@prisma/adapter-pg';
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from '@prisma/driver-adapter-utils';
import * as wasmBindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import pg from 'pg';
import { parse } from 'pg-connection-string';

const require = createRequire(import.meta.url);
const args = process.argv.slice(2);
const many = (name) => args.flatMap((a, i) => (a === name ? [args[i + 1]] : []));
const url = JSON.parse(many('--datasource')[0] ?? '{}').url;
const cli = args.includes('cli') ? args[args.indexOf('cli') + 1] : undefined;

const dbName = (u) => decodeURIComponent(new URL(u).pathname.slice(1)) || 'postgres';
async function admin(fn) {
  const u = new URL(url);
  u.pathname = '/postgres';
  const c = new pg.Client({ connectionString: u.href });
  await c.connect();
  try {
    return await fn(c);
  } finally {
    await c.end();
  }
}
const createDatabase = () =>
  admin((c) => c.query(`CREATE DATABASE ${c.escapeIdentifier(dbName(url))}`)).catch((e) => {
    if (e.code !== '42P04' && e.code !== '23505') throw e;
  }); // made by someone else meanwhile

if (cli) {
  const fail = (code, message) => {
    process.stderr.write(
      '\n' + JSON.stringify({ level: 'ERROR', target: 'schema_engine::logger', fields: { error_code: code, message } }),
    );
    process.exit(1);
  };
  try {
    if (cli === 'can-connect-to-database') {
      const c = new pg.Client({ connectionString: url });
      await c.connect();
      await c.end();
    } else if (cli === 'create-database') await createDatabase();
    else if (cli === 'drop-database') {
      await admin((c) => c.query(`DROP DATABASE IF EXISTS ${c.escapeIdentifier(dbName(url))} WITH (FORCE)`));
      process.stderr.write('The database was successfully dropped');
    } else fail('P0000', `unknown command ${cli}`);
  } catch (e) {
    fail(e.code === '3D000' ? 'P1003' : e.code === '28P01' ? 'P1000' : 'P1001', e.message || String(e));
  }
  process.exit(0);
}
if (args.includes('--version')) {
  console.log(`schema-engine-cli wasm ${require('@prisma/engines-version').enginesVersion ?? ''}`);
  process.exit(0);
}

const send = (m) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...m }) + '\n');
let panic;
globalThis.PRISMA_WASM_PANIC_REGISTRY = {
  set_message: (m) => {
    panic = m;
  },
};
// adapter-pg 7 does not know the internal "char" type (oid 18) which the engine's catalog queries return.
function withCharType(conn) {
  const chars = new WeakMap(),
    io = conn.performIO.bind(conn),
    raw = conn.queryRaw.bind(conn);
  conn.performIO = async (q) => {
    const r = await io(q);
    chars.set(
      q,
      r.fields.flatMap((f, i) => (f.dataTypeID === 18 ? [i] : [])),
    );
    for (const i of chars.get(q)) r.fields[i].dataTypeID = 25;
    return r;
  };
  conn.queryRaw = async (q) => {
    const out = await raw(q);
    for (const i of chars.get(q)) out.columnTypes[i] = ColumnTypeEnum.Character;
    return out;
  };
  return conn;
}
class MigratePg extends PrismaPg {
  async connect() {
    const conn = withCharType(await super.connect());
    // adapter-pg splits scripts on ';' (breaks $$ bodies); send the script whole, as the native engine does.
    conn.executeScript = async (sql) => {
      try {
        await conn.underlyingDriver().query(sql);
      } catch (e) {
        conn.onError(e);
      }
    };
    return conn;
  }
  async connectToShadowDb() {
    // adapter-pg drops the shadow database while still connected to it
    const database = `prisma_migrate_shadow_db_${crypto.randomUUID()}`;
    await admin((c) => c.query(`CREATE DATABASE "${database}"`));
    const conn = await new MigratePg({ ...this.config, database }).connect();
    const dispose = conn.dispose.bind(conn);
    conn.dispose = async () => {
      await dispose();
      await admin((c) => c.query(`DROP DATABASE IF EXISTS "${database}" WITH (FORCE)`));
    };
    return conn;
  }
}
let factory, engineP;
function engine() {
  return (engineP ??= (async () => {
    const file = require.resolve('@prisma/schema-engine-wasm').replace(/schema_engine\.js$/, 'schema_engine_bg.wasm');
    const inst = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(file)), {
      './schema_engine_bg.js': wasmBindings,
    });
    wasmBindings.__wbg_set_wasm(inst.exports);
    inst.exports.__wbindgen_start();
    const schema = new URL(url ?? 'postgresql://localhost').searchParams.get('schema') ?? undefined;
    // Not `connectionString`: it would override the database name adapter-pg picks for the shadow database.
    const { schema: _, ...config } = parse(url ?? '');
    factory = bindMigrationAwareSqlAdapterFactory(new MigratePg({ ...config, max: 1 }, { schema }));
    const datamodels = many('--datamodels').map((p) => [p, readFileSync(p, 'utf8')]);
    return wasmBindings.SchemaEngine.new({ datamodels: datamodels.length ? datamodels : undefined }, () => {}, factory);
  })());
}
async function call(method, params) {
  if (method === 'createDatabase') {
    await createDatabase();
    return { databaseName: dbName(url) };
  }
  const e = await engine();
  if (method === 'getDatabaseVersion') return e.version(params ?? null);
  if (method === 'diff') {
    const { stdout, ...rest } = await e.diff(params);
    if (stdout) send({ id: 'print-1', method: 'print', params: { content: stdout } });
    return { ...rest, stdout: null };
  }
  return (await e[method](params)) ?? {};
}
let chain = Promise.resolve();
const rl = createInterface({ input: process.stdin });
rl.on('line', (line) => {
  const { id, method, params } = JSON.parse(line);
  if (!method) return; // reply to our own `print`
  chain = chain.then(async () => {
    try {
      send({ id, result: await call(method, params) });
    } catch (e) {
      send({
        id,
        error: {
          code: 4466,
          message: 'An error happened. Check the data field for details.',
          data: {
            is_panic: false,
            message: panic ?? e.message ?? String(e),
            error_code: e.code ?? null,
            meta: e.meta ?? null,
          },
        },
      });
    }
  });
});
rl.on('close', () => chain.finally(() => process.exit(0)));
