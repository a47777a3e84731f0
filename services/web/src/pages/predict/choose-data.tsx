import {
  Alert,
  Box,
  Button,
  Checkbox,
  Divider,
  FormControlLabel,
  Link,
  MenuItem,
  Stack,
  TextField,
  Typography,
} from '@mui/material';
import { type ModelManifest as Manifest, checkHeader } from '@clove/contracts';
import { useState } from 'react';
import { useNavigate } from 'react-router';
import {
  type Dataset,
  type DatasetProfile,
  type ModelVersion,
  useGetDatasetProfileQuery,
  useGetDatasetQuery,
  useGetVersionQuery,
  useListDatasetsQuery,
  useStartPredictionMutation,
} from '../../api/generated/clove-api.js';
import { useUpload } from '../../api/upload.js';
import { FileDrop, UploadProgress } from '../../components/file-drop.js';
import { JobProgress } from '../../components/job-progress.js';
import { ProfileTable } from '../../components/profile-table.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { Warnings } from '../../components/warnings.js';
import { formatCount, formatDay } from '../../lib/format.js';

type ChooseDataProps = {
  /** `name@number` */
  model: string;
  datasetId: string | null;
  onDataset: (id: string | null) => void;
  onBack: () => void;
};

/** Which customers: an upload or a dataset that is there, what is in it, whether the model can read it, and go. */
export function ChooseData({ model, datasetId, onDataset, onBack }: ChooseDataProps) {
  const [name = '', number = ''] = model.split('@');
  const { data: version, error, refetch } = useGetVersionQuery({ name, version: Number(number) });
  if (version === undefined) {
    if (error !== undefined) return <ErrorView error={error} onRetry={() => void refetch()} />;
    return <LoadingView label="Loading the model" />;
  }
  return datasetId === null ? (
    <PickData version={version} onDataset={onDataset} onBack={onBack} />
  ) : (
    <CheckData version={version} datasetId={datasetId} onOther={() => onDataset(null)} />
  );
}

type PickDataProps = { version: ModelVersion; onDataset: (id: string) => void; onBack: () => void };

function PickData({ version, onDataset, onBack }: PickDataProps) {
  const { kind } = version.manifest;
  const orders = kind === 'transactions';
  const upload = useUpload();
  const [files, setFiles] = useState<File[]>([]);
  const { data: datasets } = useListDatasetsQuery({ limit: 200 });
  const fitting = datasets?.items.filter((dataset) => dataset.status === 'ready' && dataset.kind === kind) ?? [];
  const send = async () => {
    const form = new FormData();
    form.append('options', JSON.stringify({ kind }));
    for (const file of files) form.append('file', file);
    const accepted = await upload.send('/v1/datasets', form);
    if (accepted !== undefined) onDataset(accepted.id);
  };
  return (
    <Stack sx={{ gap: 3 }}>
      <Stack sx={{ gap: 2 }}>
        <FileDrop
          label={orders ? 'Orders as CSV or Parquet' : 'Customers as CSV or Parquet, one row each'}
          accept=".csv,.tsv,.txt,.gz,.parquet"
          multiple
          files={files}
          onFiles={setFiles}
          disabled={upload.state.phase === 'sending'}
          hint={
            <>
              Not sure of the form?{' '}
              <Link href={sampleOf(version)} download>
                Download a sample CSV
              </Link>
            </>
          }
        />
        <UploadProgress state={upload.state} onCancel={upload.cancel} onRetry={() => void send()} />
      </Stack>
      {fitting.length === 0 ? null : (
        <>
          <Divider>or</Divider>
          <TextField
            select
            label="A dataset that is already here"
            value=""
            onChange={(event) => onDataset(event.target.value)}
            sx={{ maxWidth: 480 }}
          >
            {fitting.map((dataset) => (
              <MenuItem key={dataset.id} value={dataset.id}>
                {dataset.name} ({formatCount(dataset.customers)} customers)
              </MenuItem>
            ))}
          </TextField>
        </>
      )}
      <Stack direction="row" sx={{ gap: 1.5 }}>
        <Button color="inherit" onClick={onBack}>
          Back
        </Button>
        <Button
          variant="contained"
          disabled={files.length === 0}
          loading={upload.state.phase === 'sending'}
          onClick={() => void send()}
        >
          Upload
        </Button>
      </Stack>
    </Stack>
  );
}

/** A file of the form that the model reads. */
const sampleOf = (version: ModelVersion): string => `/v1/sample.csv?kind=${version.manifest.kind}`;

type CheckDataProps = { version: ModelVersion; datasetId: string; onOther: () => void };

function CheckData({ version, datasetId, onOther }: CheckDataProps) {
  const { data: dataset, error, refetch } = useGetDatasetQuery({ id: datasetId });
  const { data: profile } = useGetDatasetProfileQuery({ id: datasetId }, { skip: dataset?.status !== 'ready' });
  const other = (
    <Box>
      <Button color="inherit" onClick={onOther}>
        Other data
      </Button>
    </Box>
  );
  if (dataset === undefined || dataset.status !== 'ready' || profile === undefined) {
    return (
      <Stack sx={{ gap: 2 }}>
        {error === undefined ? null : <ErrorView error={error} onRetry={() => void refetch()} />}
        {dataset === undefined || dataset.jobId === null || dataset.status === 'ready' ? (
          error === undefined ? (
            <LoadingView label="Loading the data" />
          ) : null
        ) : (
          <>
            <Typography>Reading {dataset.name}</Typography>
            <JobProgress jobId={dataset.jobId} />
          </>
        )}
        {other}
      </Stack>
    );
  }
  return (
    <Stack sx={{ gap: 3 }}>
      <Go version={version} dataset={dataset} profile={profile} other={other} />
      <Warnings warnings={profile.warnings} />
      <Box sx={{ border: 1, borderColor: 'divider', borderRadius: 1 }}>
        <ProfileTable profile={profile} />
      </Box>
    </Stack>
  );
}

type GoProps = { version: ModelVersion; dataset: Dataset; profile: DatasetProfile; other: React.ReactNode };

function Go({ version, dataset, profile, other }: GoProps) {
  const navigate = useNavigate();
  const { manifest } = version;
  const [asOf, setAsOf] = useState('');
  const [includeInputs, setIncludeInputs] = useState(false);
  const [predict, { error, isLoading }] = useStartPredictionMutation();
  const orders = profile.kind === 'transactions';
  const known = !orders && profile.targetColumn !== null && profile.targetColumn === manifest.target;
  const wrongKind = profile.kind !== manifest.kind;
  const header =
    orders || wrongKind
      ? null
      : checkHeader(
          manifest as Manifest,
          profile.columns.filter(({ role }) => role !== 'id').map(({ name }) => name),
        );
  const start = async () => {
    const model = `${version.model}@${version.version}`;
    const started = await predict({
      'Idempotency-Key': crypto.randomUUID(),
      startPrediction: { datasetId: dataset.id, model, includeInputs, ...(asOf === '' ? {} : { asOf }) },
    });
    if (started.data === undefined) return;
    await navigate(`/predict/${started.data.id}`);
  };
  const first = profile.firstTime?.slice(0, 10);
  const last = profile.lastTime?.slice(0, 10);
  return (
    <Stack sx={{ gap: 2 }}>
      <Typography>
        <strong>{dataset.name}</strong>: {formatCount(profile.rows)} rows, {formatCount(profile.customers)} customers
        {orders ? `, ${formatDay(first)} to ${formatDay(last)}` : ''}
        {known
          ? `. The column ${profile.targetColumn ?? ''} holds the truth, so the results show how close it came.`
          : ''}
      </Typography>
      {wrongKind ? (
        <Alert severity="error" variant="outlined">
          This model predicts from {manifest.kind === 'transactions' ? 'orders' : 'a table of customers'}, but the file
          holds {orders ? 'orders' : 'one row a customer'}. Choose other data or another model.
        </Alert>
      ) : null}
      {header === null ? null : <Warnings warnings={header.warnings} />}
      {header?.refused ? (
        <Alert severity="error" variant="outlined">
          More than half of the columns that the model learned from are missing, so it cannot predict from this file.
        </Alert>
      ) : null}
      {orders && !wrongKind ? (
        <TextField
          type="date"
          label="Predict from the end of"
          value={asOf}
          onChange={(event) => setAsOf(event.target.value)}
          helperText={`Orders after this day are not looked at; the last day of the data (${formatDay(last)}) when left open`}
          slotProps={{ inputLabel: { shrink: true }, htmlInput: { min: first, max: last } }}
          sx={{ maxWidth: 480 }}
        />
      ) : null}
      <FormControlLabel
        control={<Checkbox checked={includeInputs} onChange={(event) => setIncludeInputs(event.target.checked)} />}
        label="Put the input columns beside each prediction"
      />
      {error === undefined ? null : <ErrorView error={error} />}
      <Stack direction="row" sx={{ gap: 1.5 }}>
        {other}
        <Button
          variant="contained"
          loading={isLoading}
          disabled={wrongKind || header?.refused === true}
          onClick={() => void start()}
        >
          Predict {formatCount(profile.customers)} customers
        </Button>
      </Stack>
    </Stack>
  );
}
