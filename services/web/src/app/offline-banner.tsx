import { Alert, Collapse } from '@mui/material';
import { useEffect } from 'react';
import { cloveApi } from '../api/generated/clove-api.js';
import { CloudOffIcon } from '../components/icons.js';
import { connectionLost, connectionRestored } from './connection.js';
import { useAppDispatch, useAppSelector } from './store.js';

const TRY_MS = 2000;

/** Says that Clove does not answer, looks every two seconds whether it does again, and then has the page fetch anew. */
export function OfflineBanner() {
  const dispatch = useAppDispatch();
  const lost = useAppSelector((state) => state.connection.lost);

  useEffect(() => {
    const offline = () => dispatch(connectionLost());
    window.addEventListener('offline', offline);
    return () => window.removeEventListener('offline', offline);
  }, [dispatch]);

  useEffect(() => {
    if (!lost) return undefined;
    const look = async () => {
      const answer = await fetch('/healthz', { cache: 'no-store' }).catch(() => null);
      if (answer?.ok !== true) return;
      dispatch(connectionRestored());
      dispatch(cloveApi.internalActions.onOnline());
    };
    const timer = setInterval(() => void look(), TRY_MS);
    window.addEventListener('online', look);
    return () => {
      clearInterval(timer);
      window.removeEventListener('online', look);
    };
  }, [dispatch, lost]);

  return (
    <Collapse in={lost} unmountOnExit>
      <Alert severity="warning" icon={<CloudOffIcon fontSize="inherit" />} role="alert" sx={{ borderRadius: 0 }}>
        Clove does not answer. What you see may be out of date; it goes on by itself when the connection is back.
      </Alert>
    </Collapse>
  );
}
