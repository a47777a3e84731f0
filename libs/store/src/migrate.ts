export async function migrate(databaseUrl: string): Promise<string[]> {
  throw new Error(`not built yet: ${databaseUrl}`);
}
