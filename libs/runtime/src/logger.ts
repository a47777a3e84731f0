import { pino, type Logger } from 'pino';

export type { Logger } from 'pino';

const SECRET_KEY =
  /("[\w.-]*(?:password|passwd|secret|token|authorization|cookie|api[-_]?key)[\w.-]*":)("(?:\\.|[^"\\])*"|\[[^\]]*\]|\{[^}]*\}|[^,{}[\]"]+)/gi;
const URL_PASSWORD = /(\b[a-z][a-z0-9+.-]*:\/\/[^\s:@/"\\]*:)[^\s@/"\\]+@/gi;
const BEARER = /\b(Bearer|Basic)\s+[\w.~+/-]{8,}=*/g;

/**
 * Takes secrets out of one line of JSON, at any depth: values under names that mean a secret, passwords inside URLs
 * wherever they stand, and bearer tokens. Works on the finished line, so no path can be forgotten.
 */
export const redact = (line: string): string =>
  line.replace(SECRET_KEY, '$1"[redacted]"').replace(URL_PASSWORD, '$1[redacted]@').replace(BEARER, '$1 [redacted]');

/** JSON lines on standard output, one object each, `service` in all of them; secrets are redacted. */
export const createLogger = (service: string, level = 'info'): Logger =>
  pino({
    level,
    base: { service, pid: process.pid },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    hooks: { streamWrite: redact },
  });
