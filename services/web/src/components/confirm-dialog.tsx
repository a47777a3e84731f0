import { Button, Dialog, DialogActions, DialogContent, DialogTitle } from '@mui/material';
import { type ReactNode, useId, useState } from 'react';
import { ErrorView } from './states.js';

type ConfirmProps = {
  open: boolean;
  title: string;
  /** what will happen, and what will not come back */
  children: ReactNode;
  /** the verb on the button, such as "Delete dataset" */
  action: string;
  destructive?: boolean;
  /** does it; where it throws, the dialog stays and shows the error */
  onConfirm: () => Promise<unknown>;
  onClose: () => void;
};

/** Asks before something that matters; stays open, with the error, where it could not be done. */
export function ConfirmDialog({
  open,
  title,
  children,
  action,
  destructive = false,
  onConfirm,
  onClose,
}: ConfirmProps) {
  const id = useId();
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const close = () => {
    setError(null);
    onClose();
  };
  const confirm = async () => {
    setBusy(true);
    setError(null);
    try {
      await onConfirm();
      onClose();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return (
    <Dialog open={open} onClose={busy ? undefined : close} aria-labelledby={id}>
      <DialogTitle id={id}>{title}</DialogTitle>
      <DialogContent sx={{ display: 'flex', flexDirection: 'column', gap: 2, typography: 'body2' }}>
        <div>{children}</div>
        {error === null ? null : <ErrorView error={error} />}
      </DialogContent>
      <DialogActions>
        <Button onClick={close} disabled={busy} autoFocus>
          Cancel
        </Button>
        <Button variant="contained" color={destructive ? 'error' : 'primary'} onClick={confirm} loading={busy}>
          {action}
        </Button>
      </DialogActions>
    </Dialog>
  );
}
