/** `preferred` if nobody listens there, else the next port that is free; any free one when left out or 0. */
export function freePort(_preferred?: number, _host?: string): Promise<number> {
  throw new Error('being written');
}
