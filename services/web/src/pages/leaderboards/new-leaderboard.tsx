import {
  Autocomplete,
  Button,
  Dialog,
  DialogActions,
  DialogContent,
  DialogTitle,
  MenuItem,
  Stack,
  TextField,
} from '@mui/material';
import { LeaderboardModel, StartLeaderboard } from '@clove/contracts';
import { useId, useState } from 'react';
import { useNavigate } from 'react-router';
import { useListDatasetsQuery, useStartLeaderboardMutation } from '../../api/generated/clove-api.js';
import { ErrorView } from '../../components/states.js';
import { formatCount } from '../../lib/format.js';

/** Asks what to compare the models on, and starts it. */
export function NewLeaderboard({ datasetId, onClose }: { datasetId: string | null; onClose: () => void }) {
  const id = useId();
  const navigate = useNavigate();
  const { data: datasets } = useListDatasetsQuery({ limit: 200 });
  const [start, { error, isLoading }] = useStartLeaderboardMutation();
  const [dataset, setDataset] = useState(datasetId);
  const [form, setForm] = useState({ horizonDays: '90', testOrigin: '', seeds: '3', modelName: '' });
  const [models, setModels] = useState<LeaderboardModel[]>([]);
  const [problems, setProblems] = useState<Record<string, string>>({});
  const ready = datasets?.items.filter(({ status }) => status === 'ready') ?? [];
  const chosen = ready.find((one) => one.id === dataset) ?? (ready.length === 1 ? ready[0] : undefined);
  const orders = chosen?.kind !== 'features';
  const field = (name: keyof typeof form, help: string) => ({
    value: form[name],
    onChange: (event: { target: { value: string } }) => setForm({ ...form, [name]: event.target.value }),
    error: problems[name] !== undefined,
    helperText: problems[name] ?? help,
    slotProps: { inputLabel: { shrink: true } },
  });
  const submit = async () => {
    const parsed = StartLeaderboard.safeParse({
      datasetId: chosen?.id,
      seeds: Number(form.seeds),
      ...(orders ? { horizonDays: Number(form.horizonDays) } : {}),
      ...(orders && form.testOrigin !== '' ? { testOrigin: form.testOrigin } : {}),
      ...(models.length === 0 ? {} : { models }),
      ...(form.modelName === '' ? {} : { modelName: form.modelName }),
    });
    setProblems(
      Object.fromEntries((parsed.error?.issues ?? []).map((issue) => [String(issue.path[0]), issue.message])),
    );
    if (!parsed.success) return;
    const accepted = await start({ 'Idempotency-Key': crypto.randomUUID(), startLeaderboard: parsed.data });
    if (accepted.data !== undefined) await navigate(`/leaderboards/${accepted.data.id}`);
  };
  return (
    <Dialog open onClose={onClose} aria-labelledby={id}>
      <DialogTitle id={id}>Compare models</DialogTitle>
      <DialogContent>
        <Stack sx={{ gap: 2.5, pt: 1 }}>
          <TextField
            select
            required
            label="Dataset"
            value={chosen?.id ?? ''}
            onChange={(event) => setDataset(event.target.value)}
            error={problems['datasetId'] !== undefined}
            helperText={problems['datasetId'] === undefined ? 'On which customers' : 'Choose what to compare them on'}
          >
            {ready.map((one) => (
              <MenuItem key={one.id} value={one.id}>
                {one.name} ({formatCount(one.customers)} customers)
              </MenuItem>
            ))}
          </TextField>
          {orders ? (
            <>
              <TextField label="Horizon in days" type="number" {...field('horizonDays', 'How far ahead to predict')} />
              <TextField
                label="Test origin"
                type="date"
                {...field('testOrigin', 'The last day whose horizon lies within the data when left open')}
              />
            </>
          ) : null}
          <TextField
            label="Seeds"
            type="number"
            {...field('seeds', 'Each model that learns is trained so often; the spread is told')}
          />
          <Autocomplete
            multiple
            options={LeaderboardModel.options}
            value={models}
            onChange={(_event, value) => setModels(value)}
            renderInput={(props) => (
              <TextField {...props} label="Models" helperText="All that fit the data when left open" />
            )}
          />
          <TextField
            label="Name of the model"
            {...field('modelName', 'The winner becomes a version of it; nothing is registered when left open')}
          />
          {error === undefined ? null : <ErrorView error={error} />}
        </Stack>
      </DialogContent>
      <DialogActions>
        <Button color="inherit" onClick={onClose}>
          Cancel
        </Button>
        <Button variant="contained" loading={isLoading} onClick={() => void submit()}>
          Compare
        </Button>
      </DialogActions>
    </Dialog>
  );
}
