import { CloveError, type ProblemCode } from '@clove/contracts';

/** What the exit code of every `clove` command means. Scripts may rely on it. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  data: 3,
  unavailable: 4,
  cancelled: 130,
} as const;

/** The same, for `--help`. */
export const EXIT_CODES_HELP = `Exit codes:
  0    done
  1    the job failed, or something went wrong inside
  2    the command was not understood, or what it names does not exist
  3    the input data was refused: the message names the file, column or row
  4    a server does not answer, or does not start
  130  cancelled (Ctrl-C)`;

const BY_CODE: Partial<Record<ProblemCode, number>> = {
  'bad-request': EXIT.usage,
  'invalid-input': EXIT.usage,
  unauthenticated: EXIT.usage,
  forbidden: EXIT.usage,
  'not-found': EXIT.usage,
  'upload-too-large': EXIT.data,
  'unsupported-media-type': EXIT.data,
  'data-unreadable': EXIT.data,
  'data-empty': EXIT.data,
  'column-missing': EXIT.data,
  'column-ambiguous': EXIT.data,
  'preset-mismatch': EXIT.data,
  'value-invalid': EXIT.data,
  'date-ambiguous': EXIT.data,
  'target-missing': EXIT.data,
  'target-constant': EXIT.data,
  'not-enough-data': EXIT.data,
  'kind-mismatch': EXIT.data,
  'columns-mismatch': EXIT.data,
  'too-many-requests': EXIT.unavailable,
  overloaded: EXIT.unavailable,
  unavailable: EXIT.unavailable,
  cancelled: EXIT.cancelled,
};

/** The exit code for an error that ended a command: by its stable code; 1 for anything unexpected. */
export const exitCodeOf = (error: unknown): number =>
  error instanceof CloveError ? (BY_CODE[error.code] ?? EXIT.failed) : EXIT.failed;
