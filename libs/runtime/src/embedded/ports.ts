import { createServer } from 'node:net';
import { CloveError } from '@clove/contracts';

/** `preferred` if nobody listens there, else the next port that is free; any free one when left out or 0. */
export async function freePort(preferred = 0, host = '127.0.0.1'): Promise<number> {
  if (preferred > 0) {
    for (let port = preferred; port < Math.min(preferred + 100, 65_536); port += 1) {
      if ((await listen(port, host)) !== undefined) return port;
    }
  }
  const port = await listen(0, host);
  if (port === undefined) throw new CloveError('unavailable', `There is no free port on ${host}.`);
  return port;
}

/** Listens for a moment; undefined where the port is taken. */
function listen(port: number, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', (cause: NodeJS.ErrnoException) => {
      if (cause.code === 'EADDRINUSE' || cause.code === 'EACCES') resolve(undefined);
      else reject(new CloveError('unavailable', `Cannot listen on ${host}: ${cause.message}.`, { cause }));
    });
    server.listen(port, host, () => {
      const address = server.address();
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : undefined));
    });
  });
}
