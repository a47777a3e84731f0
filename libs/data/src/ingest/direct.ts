import { CloveError, type IngestOptions } from '@clove/contracts';
import { literal, type Duck } from '../duck.js';
import { otherThanIso } from './dates.js';
import { STYLES, numberIsMissing, numberOf } from './numbers.js';
import { type Guessed, guessKind, mixedDates, planTransactions } from './plan.js';
import type { Planned } from './presets.js';
import {
  type Source,
  type Text,
  countRejects,
  createGaps,
  createHead,
  cutText,
  describeText,
  hasPlainLines,
  isPlainText,
  renamedColumns,
} from './read.js';
import {
  TRANSACTIONS_FILE,
  WITHOUT_BROKEN,
  countBroken,
  markedTransactions,
  transactionRules,
} from './transactions.js';

/**
 * The short way of a plain CSV file of orders, one pass from text to marked transactions in `part`: the plan is made from the
 * first rows and holds for the file where nothing in the rest speaks against it. Where something does, or where the first
 * rows do not decide, nothing is left behind but `part`, and the file is staged and looked at as a whole, which gives what
 * this way gives where it goes through.
 * @returns null where the file has to be looked at as a whole
 */
export const ingestDirect = async (
  db: Duck,
  text: Text,
  options: IngestOptions,
  part: string,
): Promise<{ source: Source; planned: Planned } | null> => {
  const { file } = text;
  if (!isPlainText(text)) return null;
  const guessed = await planFromHead(db, text, options);
  if (guessed === null) return null;
  const rules = transactionRules(guessed.plan);
  const { cut, taken } = await cutText(
    db,
    text,
    (rows) =>
      `COPY (${markedTransactions({ ...guessed.plan, relation: `(${rows})` }, rules)}) TO ${literal(part)} ${TRANSACTIONS_FILE}`,
  ).catch((error: unknown) => {
    if (error instanceof CloveError && error.code === 'data-unreadable')
      return { cut: 'unreadable', taken: 0 } as const;
    throw error;
  });
  const numbered = cut === 'clean' || (cut === 'rejects' && (await hasPlainLines(text)));
  const confirmed = numbered && taken > 0 ? await confirm(db, guessed, part, taken) : null;
  if (confirmed === null) {
    await db.run(`DELETE FROM rejects WHERE file = ${file}`);
    return null;
  }
  const gone = cut === 'clean' ? 0 : await countRejects(db, file);
  const source: Source = {
    ...describeText(text, taken + gone),
    relation: '',
    numbered: '',
    gaps: gone === 0 ? null : await createGaps(db, file),
    warnings: renamedColumns(text),
  };
  return { source, planned: { ...confirmed, judged: [source] } };
};

const planFromHead = async (db: Duck, text: Text, options: IngestOptions): Promise<Guessed | null> => {
  try {
    const rows = await createHead(db, text);
    const { columns } = rows;
    if (options.kind === undefined) {
      const { kind, settled } = await guessKind(db, rows);
      if (kind !== 'transactions' || !settled) return null;
    }
    const guessed = await planTransactions(db, rows, [], options);
    if (!guessed.settled) return null;
    const { quantity, amount } = guessed.plan;
    if (quantity === null || amount.parts.length > 1) return guessed;
    // A quantity that cannot be read rejects no row; infinity, which no value is read as, makes it seen in the footer of the file.
    const column = columns.find(({ name }) => name === guessed.mapping['quantity'])!;
    const marked = `CASE WHEN (${quantity}) IS NULL AND NOT ${numberIsMissing(column)} THEN 'Infinity'::DOUBLE ELSE ${quantity} END`;
    return { ...guessed, plan: { ...guessed.plan, quantity: marked } };
  } catch (error) {
    // What the first rows cannot answer, the whole file may; and who is cancelled is told so by the next statement.
    if (error instanceof CloveError) return null;
    throw error;
  }
};

/** Whether the marked rows of the whole file say what the first rows said; the plan with what is to be told, else null. */
const confirm = async (db: Duck, guessed: Guessed, part: string, taken: number): Promise<Planned | null> => {
  const { plan, time, floatIds } = guessed;
  const from = `read_parquet(${literal(part)})`;
  const suspects = [
    ...(plan.quantity === null ? [] : [`SELECT max(quantity) = 'Infinity'::DOUBLE FROM ${from}`]),
    ...floatIds.map((column) => `SELECT bool_or(ends_with(${column}, '.0')) FROM ${from} WHERE ${WITHOUT_BROKEN}`),
  ];
  for (const suspect of suspects) {
    const { found } = await db.row<{ found: boolean | null }>(`SELECT (${suspect}) AS found`);
    if (found === true) return null;
  }
  if ((await countBroken(db, part)) === 0) return guessed;
  const rejected = `(SELECT * FROM ${from} WHERE NOT (${WITHOUT_BROKEN}))`;
  for (const { raw } of plan.amount.parts) {
    // Numbers of another style among those that were not read: the style has to be chosen anew.
    const column = { name: '', sql: 'product', type: 'text' as const };
    const rule = transactionRules(plan).findIndex(
      (candidate) => candidate.value === raw && candidate.when.endsWith('IS NULL'),
    );
    const { other } = await db.row<{ other: number }>(
      `SELECT count(coalesce(${STYLES.map((style) => numberOf(column, style)).join(', ')})) AS other
       FROM ${rejected} WHERE quantity = ${rule}`,
    );
    if (other > 0) return null;
  }
  const { missing, unfit } = await db.row<{ missing: number; unfit: number }>(
    `SELECT count(*) FILTER (time IS NULL AND order_id IS NULL) AS missing, count(order_id) AS unfit FROM ${rejected}`,
  );
  if (unfit === 0 || guessed.dateGiven) return guessed;
  if (guessed.dateFormat !== 'iso') return null;
  const text = { ...time, sql: 'order_id' };
  const other = await otherThanIso(db, rejected, text);
  if (other === null) return guessed;
  const present = taken - missing;
  const warning = mixedDates(time, { format: { name: 'iso' }, present, read: present - unfit, other });
  return { ...guessed, warnings: [...guessed.warnings, warning] };
};
