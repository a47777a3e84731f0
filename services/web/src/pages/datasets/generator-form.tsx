import { Box, Button, MenuItem, Stack, TextField, Typography } from '@mui/material';
import { GenerateDataset } from '@clove/contracts';
import { type FormEvent, useState } from 'react';
import { useNavigate } from 'react-router';
import { useGenerateDatasetMutation } from '../../api/generated/clove-api.js';
import { Section } from '../../components/page.js';
import { ErrorView } from '../../components/states.js';
import { failureOf, fieldError } from '../../lib/problem.js';

/** Makes up an order history or a table of customers, to try Clove before there is data. */
export function GeneratorForm() {
  const navigate = useNavigate();
  const [generate, { isLoading, error }] = useGenerateDatasetMutation();
  const [form, setForm] = useState({ generator: 'transactions', customers: '2000', seed: '42', name: '' });
  const [problems, setProblems] = useState<Record<string, string>>({});
  const failure = error === undefined ? null : failureOf(error);
  const field = (name: keyof typeof form) => ({
    value: form[name],
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
    error: (problems[name] ?? fieldError(failure, name)) !== undefined,
  });
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const body = GenerateDataset.safeParse({
      generator: form.generator,
      customers: form.customers === '' ? undefined : Number(form.customers),
      seed: form.seed === '' ? undefined : Number(form.seed),
      name: form.name.trim() === '' ? undefined : form.name.trim(),
    });
    setProblems(Object.fromEntries((body.error?.issues ?? []).map((issue) => [String(issue.path[0]), issue.message])));
    if (!body.success) return;
    const accepted = await generate({ 'Idempotency-Key': crypto.randomUUID(), generateDataset: body.data });
    if (accepted.data !== undefined) await navigate(`/datasets/${accepted.data.id}`);
  };
  const help = (name: keyof typeof form, text: string) => problems[name] ?? fieldError(failure, name) ?? text;
  return (
    <Section
      title="An example of your own size"
      subtitle="Made-up customers who behave like real ones. The same seed gives the same data."
    >
      <Box component="form" noValidate onSubmit={(event) => void submit(event)}>
        <Stack sx={{ gap: 2.5, maxWidth: 480 }}>
          <TextField select label="What" {...field('generator')} helperText="Orders show what Clove does best">
            <MenuItem value="transactions">Orders: an order history</MenuItem>
            <MenuItem value="features">Customers: one row each with 16 columns and their value</MenuItem>
          </TextField>
          <TextField
            label="Customers"
            type="number"
            required
            {...field('customers')}
            helperText={help('customers', '2,000 take a few seconds; up to 50 million are possible')}
            slotProps={{ htmlInput: { min: 1, max: 50_000_000, step: 1 } }}
          />
          <TextField
            label="Seed"
            type="number"
            {...field('seed')}
            helperText={help('seed', 'Any whole number')}
            slotProps={{ htmlInput: { min: 0, step: 1 } }}
          />
          <TextField label="Name" {...field('name')} helperText={help('name', 'Optional: what to call the dataset')} />
          {failure === null ? null : <ErrorView error={error} title="It could not be generated" />}
          <Stack direction="row" sx={{ gap: 2, alignItems: 'center' }}>
            <Button type="submit" variant="contained" loading={isLoading}>
              Generate
            </Button>
            <Typography variant="body2" color="textSecondary">
              It appears under Datasets at once.
            </Typography>
          </Stack>
        </Stack>
      </Box>
    </Section>
  );
}
