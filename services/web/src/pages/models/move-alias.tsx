import {
  Checkbox,
  Dialog,
  DialogActions,
  DialogContent,
  DialogTitle,
  FormControlLabel,
  Button,
  MenuItem,
  Stack,
  Table,
  TableBody,
  TableCell,
  TableHead,
  TableRow,
  TextField,
  Typography,
} from '@mui/material';
import { useId, useState } from 'react';
import {
  type AliasPreview,
  type Metrics,
  type Model,
  useListVersionsQuery,
  usePreviewAliasQuery,
  useSetAliasMutation,
} from '../../api/generated/clove-api.js';
import { Gates } from '../../components/gates.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { METRICS, MODEL_TYPES } from '../../lib/words.js';

const SHOWN: readonly (keyof Metrics)[] = ['totalBias', 'normalizedGini', 'decileMape', 'mae', 'rmse'];
const number = { textAlign: 'right', fontVariantNumeric: 'tabular-nums' } as const;

type MoveAliasProps = {
  model: Model;
  alias: string;
  /** the version to propose; the latest when left out */
  version?: number;
  onClose: () => void;
};

/** Moves an alias to a version: what changes, what the gates say, why it is done. */
export function MoveAlias({ model, alias: given, version: proposed, onClose }: MoveAliasProps) {
  const id = useId();
  const [alias, setAlias] = useState(given);
  const [version, setVersion] = useState(proposed ?? model.latestVersion ?? 1);
  const [reason, setReason] = useState('');
  const [force, setForce] = useState(false);
  const { data: versions } = useListVersionsQuery({ name: model.name, limit: 200 });
  const valid = /^[a-z][a-z0-9-]*$/.test(alias);
  const preview = usePreviewAliasQuery({ name: model.name, alias, version }, { skip: !valid });
  const [move, { error, isLoading }] = useSetAliasMutation();
  const shown = preview.currentData;
  const blocked = shown !== undefined && !shown.passed;
  const submit = async () => {
    const setAliasBody = {
      version,
      ...(force && blocked ? { force } : {}),
      ...(reason.trim() === '' ? {} : { reason: reason.trim() }),
    };
    const moved = await move({ name: model.name, alias, setAlias: setAliasBody });
    if (moved.data !== undefined) onClose();
  };
  return (
    <Dialog open onClose={onClose} aria-labelledby={id} maxWidth="md">
      <DialogTitle id={id}>
        {alias === 'champion' ? `Promote a version of ${model.name}` : `Move an alias of ${model.name}`}
      </DialogTitle>
      <DialogContent>
        <Stack sx={{ gap: 2.5, pt: 1 }}>
          <Stack direction={{ xs: 'column', sm: 'row' }} sx={{ gap: 2 }}>
            <TextField
              label="Alias"
              value={alias}
              onChange={(event) => setAlias(event.target.value)}
              error={!valid}
              helperText={valid ? 'champion is the version that scores' : 'Small letters, digits and hyphens'}
              sx={{ flex: 1 }}
            />
            <TextField
              select
              label="Version"
              value={version}
              onChange={(event) => setVersion(Number(event.target.value))}
              sx={{ flex: 1 }}
            >
              {(versions?.items ?? [{ version, type: null }]).map((one) => (
                <MenuItem key={one.version} value={one.version}>
                  Version {one.version}
                  {one.type === null ? '' : `, ${MODEL_TYPES[one.type]}`}
                </MenuItem>
              ))}
            </TextField>
          </Stack>
          {preview.error === undefined ? null : <ErrorView error={preview.error} />}
          {shown === undefined ? (
            preview.isFetching ? (
              <LoadingView label="Looking at what changes" />
            ) : null
          ) : (
            <Change preview={shown} />
          )}
          {blocked ? (
            <FormControlLabel
              control={<Checkbox checked={force} onChange={(event) => setForce(event.target.checked)} />}
              label="Move it although a gate fails; the history keeps that"
            />
          ) : null}
          <TextField
            label="Why"
            value={reason}
            onChange={(event) => setReason(event.target.value)}
            helperText="Optional, for the history"
            slotProps={{ htmlInput: { maxLength: 500 } }}
          />
          {error === undefined ? null : <ErrorView error={error} />}
        </Stack>
      </DialogContent>
      <DialogActions>
        <Button color="inherit" onClick={onClose}>
          Cancel
        </Button>
        <Button
          variant="contained"
          color={blocked ? 'warning' : 'primary'}
          loading={isLoading}
          disabled={shown === undefined || (blocked && !force) || shown.from?.version === version}
          onClick={() => void submit()}
        >
          Move {alias} to version {version}
        </Button>
      </DialogActions>
    </Dialog>
  );
}

/** The figures of the version that is left and of the one that follows it, and the gates. */
function Change({ preview }: { preview: AliasPreview }) {
  const { from, to, gates } = preview;
  if (from !== null && from.version === to.version) {
    return <Typography variant="body2">It points there already: nothing changes.</Typography>;
  }
  return (
    <>
      <Table size="small" aria-label="What changes">
        <TableHead>
          <TableRow>
            <TableCell>On its own test customers</TableCell>
            <TableCell sx={number}>{from === null ? 'Now: nowhere' : `Now: version ${from.version}`}</TableCell>
            <TableCell sx={number}>Then: version {to.version}</TableCell>
          </TableRow>
        </TableHead>
        <TableBody>
          {METRICS.filter(({ key }) => SHOWN.includes(key)).map(({ key, label, format }) => (
            <TableRow key={key}>
              <TableCell>{label}</TableCell>
              <TableCell sx={number}>{format(from?.metrics?.[key])}</TableCell>
              <TableCell sx={number}>{format(to.metrics?.[key])}</TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
      <Gates gates={gates} />
    </>
  );
}
