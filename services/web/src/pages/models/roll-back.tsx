import { TextField, Typography } from '@mui/material';
import { useState } from 'react';
import { type Model, useListAliasMovesQuery, useRollBackAliasMutation } from '../../api/generated/clove-api.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';

/** Takes the last move of an alias back. */
export function RollBack({ model, alias, onClose }: { model: Model; alias: string; onClose: () => void }) {
  const [reason, setReason] = useState('');
  const [rollBack] = useRollBackAliasMutation();
  const { data: moves } = useListAliasMovesQuery({ name: model.name, limit: 100 });
  const last = moves?.items.find((move) => move.alias === alias);
  return (
    <ConfirmDialog
      open
      title={`Roll ${alias} back?`}
      action="Roll back"
      onConfirm={() =>
        rollBack({
          name: model.name,
          alias,
          'Idempotency-Key': crypto.randomUUID(),
          rollBack: reason.trim() === '' ? {} : { reason: reason.trim() },
        }).unwrap()
      }
      onClose={onClose}
    >
      <Typography variant="body2" sx={{ mb: 2 }}>
        {last === undefined || last.former === null
          ? `It points to version ${model.aliases[alias] ?? '–'}; before that it pointed nowhere.`
          : `It points to version ${model.aliases[alias] ?? '–'} and goes back to version ${last.former}.`}
      </Typography>
      <TextField
        fullWidth
        label="Why"
        value={reason}
        onChange={(event) => setReason(event.target.value)}
        helperText="Optional, for the history"
        slotProps={{ htmlInput: { maxLength: 500 } }}
      />
    </ConfirmDialog>
  );
}
