import { StartRun } from '@clove/contracts';
import { HEADS, MODEL_TYPES } from '../../lib/words.js';

type Name = keyof (typeof StartRun)['shape'];
type Kind = 'orders' | 'customers';

/** A field of the form of a training: what it is called, and when it means something. */
export type RunField = {
  name: Name;
  label: string;
  input: 'number' | 'choice' | 'switch' | 'text' | 'texts' | 'numbers' | 'date';
  choices?: Readonly<Record<string, string>>;
  /** whether the field means something for the chosen model and data */
  when?: (form: { model: string; anchor: string; kind: Kind | null }) => boolean;
};

const PROBABILISTIC = ['bg-nbd', 'mbg-nbd', 'pareto-nbd'];
const SEQUENCE = ['lstm', 'gru', 'transformer'];
const isNetwork = (model: string) => model === 'feedforward' || SEQUENCE.includes(model);
const learns = (model: string) => !PROBABILISTIC.includes(model);

const { ensemble: _ensemble, ...MODELS } = MODEL_TYPES;
const FORECASTERS = { none: 'None', 'bg-nbd': 'BG/NBD', 'mbg-nbd': 'MBG/NBD', 'pareto-nbd': 'Pareto/NBD' };

/** The fields by group; the first group is all that most people need. */
export const RUN_FIELDS: readonly { title: string; fields: readonly RunField[] }[] = [
  {
    title: 'What to learn',
    fields: [
      { name: 'model', label: 'Type of model', input: 'choice', choices: MODELS },
      { name: 'horizonDays', label: 'Horizon in days', input: 'number', when: ({ kind }) => kind !== 'customers' },
      { name: 'target', label: 'Target column', input: 'text', when: ({ kind }) => kind === 'customers' },
      { name: 'modelName', label: 'Name of the model', input: 'text' },
      {
        name: 'ignoreColumns',
        label: 'Columns to leave out',
        input: 'texts',
        when: ({ kind }) => kind === 'customers',
      },
    ],
  },
  {
    title: 'How it is judged',
    fields: [
      { name: 'testOrigin', label: 'Test origin', input: 'date', when: ({ kind }) => kind !== 'customers' },
      { name: 'origins', label: 'Training origins', input: 'number', when: ({ kind }) => kind !== 'customers' },
      {
        name: 'originStrideDays',
        label: 'Days between origins',
        input: 'number',
        when: ({ kind }) => kind !== 'customers',
      },
      { name: 'testFraction', label: 'Test share', input: 'number', when: ({ kind }) => kind === 'customers' },
      { name: 'validationFraction', label: 'Validation share', input: 'number', when: ({ model }) => learns(model) },
    ],
  },
  {
    title: 'Objective',
    fields: [
      { name: 'head', label: 'Trained for', input: 'choice', choices: HEADS, when: ({ model }) => learns(model) },
      {
        name: 'anchor',
        label: 'Anchored to',
        input: 'choice',
        choices: FORECASTERS,
        when: ({ model, kind }) => learns(model) && kind !== 'customers',
      },
      {
        name: 'forecastFeatures',
        label: 'Forecast as features',
        input: 'choice',
        choices: FORECASTERS,
        when: ({ model, anchor, kind }) => learns(model) && anchor === 'none' && kind !== 'customers',
      },
      {
        name: 'level',
        label: 'Level of the total',
        input: 'choice',
        choices: { auto: 'Decided on an earlier origin', held: "Held to the anchor's", free: 'Free' },
        when: ({ anchor }) => anchor !== 'none',
      },
      { name: 'seeds', label: 'Members', input: 'number', when: ({ model }) => learns(model) },
    ],
  },
  {
    title: 'Network',
    fields: [
      { name: 'hidden', label: 'Hidden layers', input: 'numbers', when: ({ model }) => isNetwork(model) },
      {
        name: 'activation',
        label: 'Activation',
        input: 'choice',
        choices: { relu: 'ReLU', silu: 'SiLU' },
        when: ({ model }) => isNetwork(model),
      },
      { name: 'dropout', label: 'Dropout', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'batchNorm', label: 'Batch normalisation', input: 'switch', when: ({ model }) => isNetwork(model) },
      { name: 'sequenceLength', label: 'Orders read', input: 'number', when: ({ model }) => SEQUENCE.includes(model) },
      {
        name: 'sequenceUnits',
        label: 'Width of the encoder',
        input: 'number',
        when: ({ model }) => SEQUENCE.includes(model),
      },
      {
        name: 'sequenceLayers',
        label: 'Encoder layers',
        input: 'number',
        when: ({ model }) => SEQUENCE.includes(model),
      },
      {
        name: 'attentionHeads',
        label: 'Attention heads',
        input: 'number',
        when: ({ model }) => model === 'transformer',
      },
    ],
  },
  {
    title: 'Trees',
    fields: [
      { name: 'treeCount', label: 'Trees at most', input: 'number', when: ({ model }) => model === 'trees' },
      { name: 'treeDepth', label: 'Depth', input: 'number', when: ({ model }) => model === 'trees' },
      { name: 'minLeaf', label: 'Rows in a leaf at least', input: 'number', when: ({ model }) => model === 'trees' },
      { name: 'treeRate', label: 'Learning rate', input: 'number', when: ({ model }) => model === 'trees' },
    ],
  },
  {
    title: 'Training',
    fields: [
      { name: 'epochs', label: 'Epochs at most', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'batchSize', label: 'Batch size', input: 'number', when: ({ model }) => isNetwork(model) },
      {
        name: 'optimizer',
        label: 'Optimizer',
        input: 'choice',
        choices: { adam: 'Adam', adamw: 'AdamW' },
        when: ({ model }) => isNetwork(model),
      },
      { name: 'learningRate', label: 'Learning rate', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'weightDecay', label: 'Weight decay', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'clipNorm', label: 'Gradient norm at most', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'patience', label: 'Patience', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'lrPatience', label: 'Plateau patience', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'lrFactor', label: 'Plateau factor', input: 'number', when: ({ model }) => isNetwork(model) },
      { name: 'seed', label: 'Seed', input: 'number' },
      {
        name: 'backend',
        label: 'Backend',
        input: 'choice',
        choices: Object.fromEntries(StartRun.shape.backend.unwrap().options.map((name) => [name, name])),
        when: ({ model }) => isNetwork(model),
      },
      {
        name: 'cpuFallback',
        label: 'Processor where the device cannot',
        input: 'switch',
        when: ({ model }) => isNetwork(model),
      },
      { name: 'threads', label: 'Threads', input: 'number', when: ({ model }) => learns(model) },
    ],
  },
];

/** What the contract says of a field. To which data or models it applies need not be said: it is shown only there. */
export const helpOf = (name: Name): string => {
  const text = (StartRun.shape[name].description ?? '').replace(
    /^(?:transactions|features|trees|transformer|lstm, gru, transformer|protocol random|with an anchor)[^:]*: /,
    '',
  );
  return text.charAt(0).toUpperCase() + text.slice(1);
};

/** The value that is taken where none is given, as text. */
export const defaultOf = (name: Name): string => {
  const value: unknown = StartRun.shape[name].safeParse(undefined).data;
  if (value === undefined || value === null) return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
};

/** The texts of the form as the API takes them; fields that do not apply are left out. */
export const requestOf = (
  form: Readonly<Record<string, string>>,
  applies: (field: RunField) => boolean,
): Record<string, unknown> => {
  const request: Record<string, unknown> = { datasetId: form['datasetId'] };
  for (const field of RUN_FIELDS.flatMap(({ fields }) => fields)) {
    const text = (form[field.name] ?? '').trim();
    if (text === '' || !applies(field)) continue;
    if (field.input === 'number') request[field.name] = Number(text);
    else if (field.input === 'switch') request[field.name] = text === 'true';
    else if (field.input === 'texts') request[field.name] = text.split(/\s*,\s*/).filter((one) => one !== '');
    else if (field.input === 'numbers') request[field.name] = text.split(/[\s,;]+/).map(Number);
    else request[field.name] = text;
  }
  return request;
};
