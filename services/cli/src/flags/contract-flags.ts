import { type Command, InvalidArgumentError, Option } from 'commander';

/** What a contract says about one of its fields, as JSON Schema: the part of it that flags need. */
type FieldShape = {
  type?: 'string' | 'number' | 'integer' | 'boolean' | 'array';
  description?: string;
  default?: unknown;
  enum?: string[];
  format?: string;
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
  exclusiveMaximum?: number;
  maxLength?: number;
  items?: FieldShape;
};

/** A zod object of contracts, as far as it is used here; keeps zod itself out of the command line. */
type Contract = {
  shape: Readonly<Record<string, { safeParse(value: unknown): Checked }>>;
  toJSONSchema(options: { io: 'input' }): unknown;
};
type Checked = { success: boolean; error?: { issues: readonly { message: string }[] } | undefined };

/** One flag of the command line, bound to one field of a contract. */
type Flag = { key: string; option: Option; negation: Option | undefined; short: Option | undefined };

/** The flags of a contract: declared once in contracts, offered and checked here. */
export type ContractFlags = {
  /** Adds the flags to a command, under their heading of its help. Flags that are there already are shared, not repeated. */
  addTo(command: Command): void;
  /** What the user set, under the contract's own keys; nothing for what was left out, so the contract's defaults apply. */
  read(values: Readonly<Record<string, unknown>>): Record<string, unknown>;
  /** The long flag of a field, such as `--learning-rate`. */
  flagOf(key: string): string | undefined;
};

const kebab = (name: string) => name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const placeholder = (field: FieldShape): string => {
  if (field.enum) return field.enum.join('|');
  if (field.format === 'date') return 'YYYY-MM-DD';
  if (field.type === 'array') return field.items?.type === 'integer' ? 'n,n,…' : listed(field) ? 'name,name,…' : 'name';
  if (field.type === 'integer') return 'n';
  if (field.type === 'number') return 'x';
  return 'text';
};

/** Whether a field takes several of some names that are known: they stand in one value, with commas between. */
const listed = (field: FieldShape): boolean => field.type === 'array' && field.items?.enum !== undefined;

const range = (field: FieldShape): string => {
  if (field.exclusiveMinimum !== undefined && field.exclusiveMaximum !== undefined)
    return ` between ${field.exclusiveMinimum} and ${field.exclusiveMaximum}`;
  const low = field.exclusiveMinimum === undefined ? field.minimum : field.exclusiveMinimum;
  const above = field.exclusiveMinimum === undefined ? 'from' : 'above';
  if (low === undefined || field.maximum === undefined) return '';
  return above === 'from' ? ` from ${low} to ${field.maximum}` : ` above ${low}, up to ${field.maximum}`;
};

const expectation = (field: FieldShape, issue: string | undefined): string => {
  if (field.enum) return `It takes ${field.enum.map((value) => `"${value}"`).join(', ')}.`;
  if (field.format === 'date') return 'It takes a day written YYYY-MM-DD.';
  if (field.type === 'integer') return `It takes a whole number${range(field)}.`;
  if (field.type === 'number') return `It takes a number${range(field)}.`;
  if (field.type === 'array' && field.items?.type === 'integer')
    return `It takes whole numbers${range(field.items)}, with commas between: 128,64.`;
  if (listed(field)) return `It takes some of these, with commas between: ${field.items?.enum?.join(', ')}.`;
  return issue ?? 'It is not allowed.';
};

const toNumber = (text: string): number => (text.trim() === '' ? Number.NaN : Number(text));

const coerce = (field: FieldShape, text: string, before: unknown): unknown => {
  if (field.type === 'integer' || field.type === 'number') return toNumber(text);
  if (field.type !== 'array') return text;
  if (field.items?.type === 'integer') return text.split(',').map(toNumber);
  if (listed(field)) return text.split(',').map((name) => name.trim());
  return [...(Array.isArray(before) ? before : []), text];
};

const help = (field: FieldShape): string => {
  const parts = [field.description ?? ''];
  const fallback = field.default;
  if (listed(field)) parts.push(`(${field.items?.enum?.join(', ')})`);
  else if (field.type === 'array' && field.items?.type !== 'integer') parts.push('(may be repeated)');
  if (fallback !== undefined && typeof fallback !== 'boolean' && !(Array.isArray(fallback) && fallback.length === 0))
    parts.push(`(default: ${String(fallback)})`);
  return parts.filter((part) => part !== '').join(' ');
};

/**
 * Makes command-line flags of the fields of a contract: name, help, default and check all come from the contract, so a
 * new option of the contract is a new flag. Numbers are parsed, lists of numbers and of known names take commas, lists of other
 * names repeat the flag, booleans get a `--no-` form.
 *
 * @param fields the fields wanted; all that are flags (no nested objects) when left out
 * @param names flags whose name is not the field's own, by field
 * @param aliases second, shorter names, by field; not in the help
 * @param hints what stands between < > in the help, by field; for a boolean, what its `--no-` form means
 */
export const contractFlags = (
  contract: Contract,
  o: {
    heading: string;
    fields?: readonly string[];
    names?: Readonly<Record<string, string>>;
    aliases?: Readonly<Record<string, string>>;
    hints?: Readonly<Record<string, string>>;
  },
): ContractFlags => {
  const { properties } = contract.toJSONSchema({ io: 'input' }) as { properties: Record<string, FieldShape> };
  const flags = (o.fields ?? Object.keys(properties)).map((key): Flag => {
    const field = properties[key];
    const check = contract.shape[key];
    if (!field || !check) throw new Error(`the contract has no field "${key}"`);
    const name = o.names?.[key] ?? kebab(key);
    if (field.type === 'boolean') {
      const on = new Option(`--${name}`, help(field));
      const off = new Option(`--no-${name}`, o.hints?.[key] ?? `without ${help(field)}`);
      // The form that changes nothing would only lengthen the help.
      if (field.default === true || name === 'header') on.hideHelp();
      else off.hideHelp();
      return { key, option: on, negation: off, short: undefined };
    }
    const taking = (flag: string) =>
      new Option(`--${flag} <${o.hints?.[key] ?? placeholder(field)}>`, help(field)).argParser(
        (text: string, before: unknown) => {
          const value = coerce(field, text, before);
          const checked = check.safeParse(value);
          if (!checked.success) throw new InvalidArgumentError(expectation(field, checked.error?.issues[0]?.message));
          return value;
        },
      );
    const option = taking(name);
    const alias = o.aliases?.[key];
    const short = alias === undefined ? undefined : taking(alias).hideHelp().conflicts(option.attributeName());
    return { key, option, negation: undefined, short };
  });
  return {
    addTo(command) {
      for (const { option, negation, short } of flags) {
        if (command.options.some((there) => there.long === option.long)) continue;
        command.addOption(option.helpGroup(o.heading));
        if (negation) command.addOption(negation.helpGroup(o.heading));
        if (short) command.addOption(short);
      }
    },
    read(values) {
      const read: Record<string, unknown> = {};
      for (const { key, option, short } of flags) {
        const value = values[option.attributeName()] ?? (short && values[short.attributeName()]);
        if (value !== undefined) read[key] = value;
      }
      return read;
    },
    flagOf: (key) => flags.find((flag) => flag.key === key)?.option.long ?? undefined,
  };
};
