import { StartRun } from '@clove/contracts';
import { expect, test } from 'vitest';
import { RUN_FIELDS, defaultOf, helpOf, requestOf } from './run-fields.js';

const fields = RUN_FIELDS.flatMap((group) => group.fields);

test('the form has every option of a training, each once and with help', () => {
  const names = fields.map(({ name }) => name);
  expect(names.toSorted()).toEqual(
    Object.keys(StartRun.shape)
      .filter((name) => name !== 'datasetId')
      .toSorted(),
  );
  for (const name of names) expect(helpOf(name)).toMatch(/^[A-Z\d`]/);
});

test('the form as it opens asks for what the API would take by itself', () => {
  const datasetId = `ds_${'0'.repeat(22)}`;
  const form = { datasetId, ...Object.fromEntries(fields.map(({ name }) => [name, defaultOf(name)])) };
  expect(StartRun.parse(requestOf(form, () => true))).toEqual(StartRun.parse({ datasetId }));
});

test('what does not apply is not sent, and lists are taken with any spacing', () => {
  const form = { datasetId: 'x', hidden: '16, 8;4', ignoreColumns: 'note , town', epochs: '7', dropout: '' };
  const request = requestOf(form, ({ name }) => name !== 'epochs');
  expect(request).toEqual({ datasetId: 'x', hidden: [16, 8, 4], ignoreColumns: ['note', 'town'] });
});
