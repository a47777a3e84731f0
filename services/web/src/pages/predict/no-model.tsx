import { Button, Stack } from '@mui/material';
import { useState } from 'react';
import { Link } from 'react-router';
import { Section } from '../../components/page.js';
import { EmptyView } from '../../components/states.js';
import { ImportModel } from './import-model.js';

/** Stands where there is nothing to predict with: how a model comes about. */
export function NoModel({ onImported }: { onImported: (model: string) => void }) {
  const [importing, setImporting] = useState(false);
  return (
    <Section>
      <EmptyView
        title="No model yet"
        action={
          <Stack direction={{ xs: 'column', sm: 'row' }} sx={{ gap: 1.5, justifyContent: 'center' }}>
            <Button component={Link} to="/training/new" variant="contained">
              Train a model
            </Button>
            <Button variant="outlined" onClick={() => setImporting(true)}>
              Upload a model file
            </Button>
          </Stack>
        }
      >
        A model learns from past orders or from customers whose value is known. Training one on a few thousand orders
        takes seconds.
      </EmptyView>
      {importing ? <ImportModel onClose={() => setImporting(false)} onImported={onImported} /> : null}
    </Section>
  );
}
