import { Alert, Box, Button, MenuItem, Stack, Step, StepLabel, Stepper, TextField, Typography } from '@mui/material';
import {
  type DatasetKind,
  type Meaning,
  type Preset,
  type TransactionMapping,
  foldName,
  guessMapping,
  guessPreset,
  kindOfColumns,
} from '@clove/contracts';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import { useUpload } from '../../api/upload.js';
import { FileDrop, UploadProgress } from '../../components/file-drop.js';
import { Section } from '../../components/page.js';
import { ErrorView } from '../../components/states.js';
import { ColumnsTable } from './columns-table.js';
import { type FileHead, readFileHead } from './file-head.js';

const STEPS = ['Files', 'What the columns mean', 'Upload'] as const;

const PRESETS: Record<Preset, string> = {
  olist: 'Olist (Brazilian marketplace, several files)',
  cdnow: 'CDNOW (CD sales, one file)',
  'online-retail': 'Online Retail (UK gift shop, one file)',
};

/** What a column of an order table can mean, for people; the first three must be told. */
const MEANINGS: readonly { meaning: Meaning; label: string; help: string }[] = [
  { meaning: 'customer', label: 'Customer', help: 'Who bought: an id or an e-mail address' },
  { meaning: 'time', label: 'Date or time', help: 'When it was bought' },
  { meaning: 'amount', label: 'Amount', help: 'Money of the row; negative for a return. Or give quantity and price' },
  { meaning: 'quantity', label: 'Quantity', help: 'Pieces, where the amount is quantity × price' },
  { meaning: 'price', label: 'Price of one piece', help: 'With quantity, in place of an amount' },
  {
    meaning: 'order',
    label: 'Order number',
    help: 'Rows of one order count once; without it, one customer at one time',
  },
  { meaning: 'product', label: 'Product', help: 'Optional: variety of products is a feature' },
  { meaning: 'category', label: 'Category', help: 'Optional' },
  { meaning: 'paymentType', label: 'Way of paying', help: 'Optional' },
  { meaning: 'place', label: 'Place', help: 'Optional: city, region or country' },
];

type Plan = {
  kind: DatasetKind;
  preset: Preset | '';
  mapping: TransactionMapping;
  idColumn: string;
  targetColumn: string;
  currency: string;
};

const EMPTY: Plan = { kind: 'transactions', preset: '', mapping: {}, idColumn: '', targetColumn: '', currency: '' };

/** What the header says, as a plan that the user may correct. */
function planFor(heads: readonly (FileHead | null)[]): Plan {
  const read = heads.filter((head) => head !== null);
  const [first] = read;
  if (first === undefined) return EMPTY;
  const preset =
    guessPreset(read.map((head) => ({ ...head, columns: head.columns.map(({ name }) => name) }))) ?? ('' as const);
  const isTime = (column: { isTime: boolean }) => column.isTime;
  const kind = kindOfColumns(first.columns, isTime) ?? 'transactions';
  const { columns } = guessMapping(first.columns, {}, isTime);
  const mapping = Object.fromEntries(Object.entries(columns).map(([meaning, column]) => [meaning, column.name]));
  const target = first.columns.find(({ name }) => foldName(name) === 'clv')?.name ?? '';
  return { ...EMPTY, preset, kind, mapping, targetColumn: kind === 'features' ? target : '' };
}

/** What must still be told before the file can be sent. */
function gaps({ kind, preset, mapping }: Plan, head: FileHead | null): string | null {
  if (preset !== '' || kind === 'features' || head === null) return null;
  const missing = [
    ...(mapping.customer === undefined ? ['the customer'] : []),
    ...(mapping.time === undefined ? ['the date'] : []),
    ...(mapping.amount === undefined && (mapping.quantity === undefined || mapping.price === undefined)
      ? ['the amount (or quantity and price)']
      : []),
  ];
  return missing.length === 0 ? null : `Choose the column of ${missing.join(', of ')}.`;
}

/** Three steps from files to a dataset: choose them, confirm what their columns mean, send them. */
export function UploadWizard() {
  const navigate = useNavigate();
  const upload = useUpload();
  const [step, setStep] = useState(0);
  const [files, setFiles] = useState<File[]>([]);
  const [heads, setHeads] = useState<(FileHead | null)[]>([]);
  const [plan, setPlan] = useState<Plan>(EMPTY);
  const [name, setName] = useState('');
  const [unreadable, setUnreadable] = useState<unknown>(null);
  const [reading, setReading] = useState(false);

  const choose = (chosen: File[]) => {
    setFiles(chosen);
    setUnreadable(null);
  };
  const read = async () => {
    setReading(true);
    setUnreadable(null);
    try {
      const found = await Promise.all(files.map(readFileHead));
      setHeads(found);
      setPlan(planFor(found));
      setName(files[0]?.name.replace(/\.(csv|tsv|txt|parquet|gz)/gi, '') ?? '');
      setStep(1);
    } catch (error) {
      setUnreadable(error);
    } finally {
      setReading(false);
    }
  };
  const send = async () => {
    setStep(2);
    const mapped = plan.preset === '' && plan.kind === 'transactions' && heads[0] !== null;
    const features = plan.preset === '' && plan.kind === 'features';
    const options = {
      ...(plan.preset === '' ? (heads[0] === null ? {} : { kind: plan.kind }) : { preset: plan.preset }),
      ...(mapped ? { mapping: plan.mapping } : {}),
      ...(features && plan.idColumn !== '' ? { idColumn: plan.idColumn } : {}),
      ...(features && plan.targetColumn !== '' ? { targetColumn: plan.targetColumn } : {}),
      ...(plan.currency.length === 3 ? { currency: plan.currency } : {}),
    };
    const form = new FormData();
    if (name.trim() !== '') form.append('name', name.trim());
    form.append('options', JSON.stringify(options));
    for (const file of files) form.append('file', file);
    const accepted = await upload.send('/v1/datasets', form);
    if (accepted !== undefined) await navigate(`/datasets/${accepted.id}`);
  };

  const head = heads[0] ?? null;
  const gap = gaps(plan, head);
  return (
    <Section>
      <Stepper activeStep={step} sx={{ mb: 3, '& .MuiStepLabel-label': { display: { xs: 'none', sm: 'block' } } }}>
        {STEPS.map((label) => (
          <Step key={label}>
            <StepLabel>{label}</StepLabel>
          </Step>
        ))}
      </Stepper>
      {step === 0 ? (
        <Stack sx={{ gap: 2 }}>
          <FileDrop
            label="CSV or Parquet files"
            accept=".csv,.tsv,.txt,.gz,.parquet"
            multiple
            files={files}
            onFiles={choose}
            hint="Several files of one layout are read as one; .csv.gz is taken too. Nothing is sent before the last step."
          />
          {unreadable === null ? null : <ErrorView error={unreadable} title="The file cannot be read" />}
          <Box>
            <Button variant="contained" disabled={files.length === 0} loading={reading} onClick={() => void read()}>
              Continue
            </Button>
          </Box>
        </Stack>
      ) : null}
      {step === 1 ? (
        <Stack sx={{ gap: 3 }}>
          <PlanForm plan={plan} head={head} onPlan={setPlan} />
          <TextField
            label="Name of the dataset"
            value={name}
            onChange={(event) => setName(event.target.value)}
            sx={{ maxWidth: 420 }}
            slotProps={{ htmlInput: { maxLength: 100 } }}
          />
          {gap === null ? null : (
            <Alert severity="warning" variant="outlined">
              {gap}
            </Alert>
          )}
          <Stack direction="row" sx={{ gap: 1.5 }}>
            <Button color="inherit" onClick={() => setStep(0)}>
              Back
            </Button>
            <Button variant="contained" disabled={gap !== null} onClick={() => void send()}>
              Upload {files.length === 1 ? 'the file' : `${files.length} files`}
            </Button>
          </Stack>
        </Stack>
      ) : null}
      {step === 2 ? (
        <Stack sx={{ gap: 2 }}>
          <UploadProgress state={upload.state} onCancel={upload.cancel} onRetry={() => void send()} />
          {upload.state.phase === 'sending' ? null : (
            <Box>
              <Button
                color="inherit"
                onClick={() => {
                  upload.reset();
                  setStep(1);
                }}
              >
                Back
              </Button>
            </Box>
          )}
        </Stack>
      ) : null}
    </Section>
  );
}

/** Kind, preset and mapping, guessed and open to correction, with the first rows beneath. */
function PlanForm({ plan, head, onPlan }: { plan: Plan; head: FileHead | null; onPlan: (plan: Plan) => void }) {
  const columns = head?.columns.map(({ name }) => name) ?? [];
  const map = (meaning: Meaning, column: string) => {
    const { [meaning]: _before, ...others } = plan.mapping;
    onPlan({ ...plan, mapping: column === '' ? others : { ...others, [meaning]: column } });
  };
  const roles = Object.fromEntries(
    plan.kind === 'transactions'
      ? MEANINGS.flatMap(({ meaning, label }) => {
          const column = plan.mapping[meaning];
          return column === undefined ? [] : [[column, label]];
        })
      : [
          [plan.idColumn, 'Customer'],
          [plan.targetColumn, 'Target'],
        ].filter(([column]) => column !== ''),
  ) as Record<string, string>;
  return (
    <Stack sx={{ gap: 3 }}>
      <Box sx={{ display: 'grid', gap: 2, gridTemplateColumns: { sm: '1fr 1fr', lg: '1fr 1fr 1fr' } }}>
        <TextField
          select
          label="Layout"
          value={plan.preset}
          onChange={(event) => onPlan({ ...plan, preset: event.target.value as Preset | '' })}
          helperText={plan.preset === '' ? 'Your own columns' : 'A known public layout: nothing to map'}
          slotProps={{ inputLabel: { shrink: true }, select: { displayEmpty: true } }}
        >
          <MenuItem value="">My own file</MenuItem>
          {Object.entries(PRESETS).map(([preset, label]) => (
            <MenuItem key={preset} value={preset}>
              {label}
            </MenuItem>
          ))}
        </TextField>
        {plan.preset === '' && head !== null ? (
          <TextField
            select
            label="One row is"
            value={plan.kind}
            onChange={(event) => onPlan({ ...plan, kind: event.target.value as DatasetKind })}
            helperText={
              plan.kind === 'transactions'
                ? 'The target is what each customer spends after a date'
                : 'The target, if known, is a column of the table'
            }
          >
            <MenuItem value="transactions">A purchase (orders)</MenuItem>
            <MenuItem value="features">A customer</MenuItem>
          </TextField>
        ) : null}
        <TextField
          label="Currency"
          value={plan.currency}
          onChange={(event) =>
            onPlan({
              ...plan,
              currency: event.target.value
                .replace(/[^a-z]/gi, '')
                .slice(0, 3)
                .toUpperCase(),
            })
          }
          placeholder="EUR"
          helperText="Optional: how amounts are shown"
        />
      </Box>
      {head === null && plan.preset === '' ? (
        <Alert severity="info" variant="outlined">
          The columns of a Parquet file are found by the server. If it cannot tell them apart, it says what is missing.
        </Alert>
      ) : null}
      {plan.preset === '' && head !== null && plan.kind === 'transactions' ? (
        <Box sx={{ display: 'grid', gap: 2, gridTemplateColumns: { sm: '1fr 1fr', lg: 'repeat(3, 1fr)' } }}>
          {MEANINGS.map(({ meaning, label, help }) => (
            <ColumnSelect
              key={meaning}
              label={label}
              help={help}
              required={meaning === 'customer' || meaning === 'time'}
              columns={columns}
              value={plan.mapping[meaning] ?? ''}
              onChange={(column) => map(meaning, column)}
            />
          ))}
        </Box>
      ) : null}
      {plan.preset === '' && head !== null && plan.kind === 'features' ? (
        <Box sx={{ display: 'grid', gap: 2, gridTemplateColumns: { sm: '1fr 1fr', lg: 'repeat(3, 1fr)' } }}>
          <ColumnSelect
            label="Customer id"
            help="Found by content when left open"
            columns={columns}
            value={plan.idColumn}
            onChange={(idColumn) => onPlan({ ...plan, idColumn })}
          />
          <ColumnSelect
            label="Target"
            help="Known spend, to learn from; leave open where there is none"
            columns={columns}
            value={plan.targetColumn}
            onChange={(targetColumn) => onPlan({ ...plan, targetColumn })}
          />
        </Box>
      ) : null}
      {head === null ? null : (
        <Box>
          <Typography variant="h3" component="h3" sx={{ mb: 1 }}>
            The first rows of {head.name}
          </Typography>
          <ColumnsTable columns={columns} rows={head.rows} roles={plan.preset === '' ? roles : {}} />
        </Box>
      )}
    </Stack>
  );
}

type ColumnSelectProps = {
  label: string;
  help: string;
  required?: boolean;
  columns: readonly string[];
  value: string;
  onChange: (column: string) => void;
};

function ColumnSelect({ label, help, required = false, columns, value, onChange }: ColumnSelectProps) {
  return (
    <TextField
      select
      label={label}
      required={required}
      value={columns.includes(value) ? value : ''}
      onChange={(event) => onChange(event.target.value)}
      helperText={help}
      slotProps={{ inputLabel: { shrink: true }, select: { displayEmpty: true } }}
    >
      <MenuItem value="">
        <Typography component="span" color="textSecondary">
          None
        </Typography>
      </MenuItem>
      {columns.map((column) => (
        <MenuItem key={column} value={column}>
          {column}
        </MenuItem>
      ))}
    </TextField>
  );
}
