import {
  Accordion,
  AccordionDetails,
  AccordionSummary,
  Box,
  Button,
  FormControlLabel,
  FormHelperText,
  MenuItem,
  Stack,
  Switch,
  TextField,
  Typography,
} from '@mui/material';
import { StartRun } from '@clove/contracts';
import { type FormEvent, useState } from 'react';
import { Link, useNavigate, useSearchParams } from 'react-router';
import { useListDatasetsQuery, useStartRunMutation } from '../../api/generated/clove-api.js';
import { ExpandMoreIcon } from '../../components/icons.js';
import { Page, Section } from '../../components/page.js';
import { EmptyView, ErrorView, LoadingView } from '../../components/states.js';
import { formatCount } from '../../lib/format.js';
import { failureOf } from '../../lib/problem.js';
import { RUN_FIELDS, type RunField, defaultOf, helpOf, requestOf } from './run-fields.js';

const FIELDS = RUN_FIELDS.flatMap(({ fields }) => fields);
const DEFAULTS = Object.fromEntries(FIELDS.map(({ name }) => [name, defaultOf(name)]));

/** Every option of a training, with what is usual filled in. */
export function NewRunPage() {
  const navigate = useNavigate();
  const [params, setParams] = useSearchParams();
  const { data: datasets, error, refetch } = useListDatasetsQuery({ limit: 200 });
  const [start, starting] = useStartRunMutation();
  const [form, setForm] = useState<Record<string, string>>(DEFAULTS);
  const [problems, setProblems] = useState<Record<string, string>>({});

  const ready = datasets?.items.filter(({ status }) => status === 'ready');
  const chosen = ready?.find(({ id }) => id === params.get('dataset')) ?? (ready?.length === 1 ? ready[0] : undefined);
  const kind = chosen === undefined ? null : chosen.kind === 'features' ? 'customers' : 'orders';
  const shown = { model: form['model'] ?? '', anchor: form['anchor'] ?? 'none', kind } as const;
  const applies = (field: RunField) => field.when === undefined || field.when(shown);

  const told = starting.error === undefined ? null : failureOf(starting.error);
  const problemOf = (name: string): string | undefined =>
    problems[name] ?? told?.errors.find(({ pointer }) => pointer.split('/')[1] === name)?.detail;
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const parsed = StartRun.safeParse(requestOf({ ...form, datasetId: chosen?.id ?? '' }, applies));
    const wrong = Object.fromEntries(
      (parsed.error?.issues ?? []).map((issue) => [String(issue.path[0]), issue.message]),
    );
    setProblems(chosen === undefined ? { ...wrong, datasetId: 'Choose what to learn from' } : wrong);
    if (!parsed.success || chosen === undefined) return;
    const accepted = await start({ 'Idempotency-Key': crypto.randomUUID(), startRun: parsed.data });
    if (accepted.data !== undefined) await navigate(`/training/${accepted.data.id}`);
  };

  if (ready === undefined) {
    return error === undefined ? (
      <LoadingView label="Loading the datasets" />
    ) : (
      <ErrorView error={error} onRetry={() => void refetch()} />
    );
  }
  return (
    <Page
      title="New training"
      parents={[{ label: 'Training', to: '/training' }]}
      subtitle="The usual choices are filled in: pick the data and start."
    >
      {ready.length === 0 ? (
        <Section>
          <EmptyView
            title="There is nothing to learn from yet"
            action={
              <Button component={Link} to="/datasets/new" variant="contained">
                New dataset
              </Button>
            }
          >
            Upload past orders, or customers whose value is known.
          </EmptyView>
        </Section>
      ) : (
        <Stack component="form" noValidate onSubmit={(event) => void submit(event)} sx={{ gap: { xs: 2, md: 3 } }}>
          <Section>
            <Stack sx={{ gap: 2.5 }}>
              <TextField
                select
                required
                label="Dataset"
                value={chosen?.id ?? ''}
                onChange={(event) => setParams({ dataset: event.target.value }, { replace: true })}
                error={problemOf('datasetId') !== undefined}
                helperText={problemOf('datasetId') ?? 'What to learn from'}
                sx={{ maxWidth: 520 }}
              >
                {ready.map((dataset) => (
                  <MenuItem key={dataset.id} value={dataset.id}>
                    {dataset.name} ({dataset.kind === 'features' ? 'customers' : 'orders'},{' '}
                    {formatCount(dataset.customers)} customers)
                  </MenuItem>
                ))}
              </TextField>
              <Fields
                fields={RUN_FIELDS[0]?.fields.filter(applies) ?? []}
                form={form}
                onForm={setForm}
                problemOf={problemOf}
              />
            </Stack>
          </Section>
          <Box>
            {RUN_FIELDS.slice(1).map(({ title, fields }) => {
              const shownFields = fields.filter(applies);
              const wrong = shownFields.some(({ name }) => problemOf(name) !== undefined);
              if (shownFields.length === 0) return null;
              return (
                <Accordion key={title} variant="outlined" disableGutters {...(wrong ? { expanded: true } : {})}>
                  <AccordionSummary expandIcon={<ExpandMoreIcon />}>
                    <Typography component="h2" variant="h3" sx={{ flex: 1 }}>
                      {title}
                    </Typography>
                    <Typography
                      variant="body2"
                      color="textSecondary"
                      sx={{ mr: 1.5, display: { xs: 'none', sm: 'block' } }}
                    >
                      {changedIn(shownFields, form)}
                    </Typography>
                  </AccordionSummary>
                  <AccordionDetails sx={{ pt: 1 }}>
                    <Fields fields={shownFields} form={form} onForm={setForm} problemOf={problemOf} />
                  </AccordionDetails>
                </Accordion>
              );
            })}
          </Box>
          {starting.error === undefined ? null : (
            <ErrorView error={starting.error} title="The training was not accepted" />
          )}
          <Box>
            <Button type="submit" variant="contained" size="large" loading={starting.isLoading}>
              Start the training
            </Button>
          </Box>
        </Stack>
      )}
    </Page>
  );
}

/** What a closed group has that is not the default. */
const changedIn = (fields: readonly RunField[], form: Readonly<Record<string, string>>): string => {
  const changed = fields.filter(({ name }) => form[name] !== DEFAULTS[name]);
  return changed.length === 0 ? 'usual' : changed.map(({ label }) => label).join(', ');
};

type FieldsProps = {
  fields: readonly RunField[];
  form: Readonly<Record<string, string>>;
  onForm: (form: Record<string, string>) => void;
  problemOf: (name: string) => string | undefined;
};

function Fields({ fields, form, onForm, problemOf }: FieldsProps) {
  return (
    <Box
      sx={{
        display: 'grid',
        gap: 2.5,
        gridTemplateColumns: { sm: 'repeat(2, minmax(0, 1fr))', lg: 'repeat(3, minmax(0, 1fr))' },
        alignItems: 'start',
      }}
    >
      {fields.map((field) => (
        <Field
          key={field.name}
          field={field}
          value={form[field.name] ?? ''}
          problem={problemOf(field.name)}
          onChange={(value) => onForm({ ...form, [field.name]: value })}
        />
      ))}
    </Box>
  );
}

type FieldProps = { field: RunField; value: string; problem: string | undefined; onChange: (value: string) => void };

function Field({ field, value, problem, onChange }: FieldProps) {
  const help = problem ?? helpOf(field.name);
  if (field.input === 'switch') {
    return (
      <Box>
        <FormControlLabel
          control={<Switch checked={value === 'true'} onChange={(event) => onChange(String(event.target.checked))} />}
          label={field.label}
        />
        <FormHelperText error={problem !== undefined}>{help}</FormHelperText>
      </Box>
    );
  }
  return (
    <TextField
      select={field.input === 'choice'}
      type={field.input === 'date' ? 'date' : field.input === 'number' ? 'number' : 'text'}
      label={field.label}
      value={value}
      onChange={(event) => onChange(event.target.value)}
      error={problem !== undefined}
      helperText={help}
      slotProps={{
        inputLabel: { shrink: true },
        htmlInput: field.input === 'number' ? { step: 'any' } : {},
      }}
    >
      {field.input === 'choice'
        ? Object.entries(field.choices ?? {}).map(([choice, label]) => (
            <MenuItem key={choice} value={choice}>
              {label}
            </MenuItem>
          ))
        : undefined}
    </TextField>
  );
}
