import { Box, Button, MenuItem, Stack, TextField } from '@mui/material';
import { useEffect, useState } from 'react';
import { type Model, useGetVersionQuery, useListVersionsQuery } from '../../api/generated/clove-api.js';
import { ModelFacts } from '../../components/model-facts.js';
import { ErrorView, LoadingView } from '../../components/states.js';
import { Warnings } from '../../components/warnings.js';
import { formatSince } from '../../lib/format.js';
import { MODEL_TYPES } from '../../lib/words.js';
import { ImportModel } from './import-model.js';

type ChooseModelProps = {
  models: readonly Model[];
  /** `name@number`, or null where nothing was chosen yet */
  chosen: string | null;
  onChoose: (model: string) => void;
  onContinue: (model: string) => void;
};

/** The version that a model stands for by itself: its champion, else its latest. */
const standingVersion = (model: Model): number => model.aliases['champion'] ?? model.latestVersion ?? 1;

/** Which model predicts: the champion by default, any version, or an uploaded file; and what it is. */
export function ChooseModel({ models, chosen, onChoose, onContinue }: ChooseModelProps) {
  const [importing, setImporting] = useState(false);
  const [name, number] = (chosen ?? '').split('@');
  const model = models.find((one) => one.name === name) ?? models[0];
  const version =
    model === undefined ? 1 : model.name === name && Number(number) > 0 ? Number(number) : standingVersion(model);
  const reference = model === undefined ? null : `${model.name}@${version}`;
  useEffect(() => {
    if (chosen === null && reference !== null) onChoose(reference);
    // only where the page opens without a choice
    // oxlint-disable-next-line react/exhaustive-deps
  }, [chosen, reference]);
  const versions = useListVersionsQuery({ name: model?.name ?? '', limit: 200 }, { skip: model === undefined });
  const detail = useGetVersionQuery({ name: model?.name ?? '', version }, { skip: model === undefined });
  if (model === undefined || reference === null) return null;
  return (
    <Stack sx={{ gap: 3 }}>
      <Box sx={{ display: 'grid', gap: 2, gridTemplateColumns: { sm: '1fr 1fr auto' }, alignItems: 'start' }}>
        <TextField
          select
          label="Model"
          value={model.name}
          onChange={(event) => {
            const other = models.find((one) => one.name === event.target.value);
            if (other !== undefined) onChoose(`${other.name}@${standingVersion(other)}`);
          }}
        >
          {models.map((one) => (
            <MenuItem key={one.id} value={one.name}>
              {one.name}
            </MenuItem>
          ))}
        </TextField>
        <TextField
          select
          label="Version"
          value={version}
          onChange={(event) => onChoose(`${model.name}@${event.target.value}`)}
        >
          {(versions.data?.items ?? [{ version, aliases: [], type: null, createdAt: null }]).map((one) => (
            <MenuItem key={one.version} value={one.version}>
              {[
                `Version ${one.version}`,
                ...(one.aliases.length === 0 ? [] : [`(${one.aliases.join(', ')})`]),
                ...(one.type === null ? [] : [`· ${MODEL_TYPES[one.type]}`]),
                ...(one.createdAt === null ? [] : [`· ${formatSince(one.createdAt)}`]),
              ].join(' ')}
            </MenuItem>
          ))}
        </TextField>
        <Button variant="outlined" onClick={() => setImporting(true)} sx={{ minHeight: 40 }}>
          Upload a model file
        </Button>
      </Box>
      {detail.error === undefined ? null : <ErrorView error={detail.error} onRetry={() => void detail.refetch()} />}
      {detail.currentData === undefined ? (
        detail.error === undefined ? (
          <LoadingView label="Loading the model" />
        ) : null
      ) : (
        <>
          <ModelFacts version={detail.currentData} />
          <Warnings warnings={detail.currentData.manifest.warnings} />
        </>
      )}
      <Box>
        <Button variant="contained" disabled={detail.currentData === undefined} onClick={() => onContinue(reference)}>
          Continue with {model.name} version {version}
        </Button>
      </Box>
      {importing ? <ImportModel onClose={() => setImporting(false)} onImported={onChoose} /> : null}
    </Stack>
  );
}
