import { Box } from '@mui/material';
import { type JobLogLine, useGetJobLogQuery } from '../api/generated/clove-api.js';
import { formatInstant } from '../lib/format.js';
import { Section } from './page.js';

/** What the job has written down: what was there, and what it `told` since. */
export function JobLog({ id, told }: { id: string; told: readonly JobLogLine[] }) {
  const { data } = useGetJobLogQuery({ id });
  const known = data?.items ?? [];
  const last = known.at(-1)?.number ?? 0;
  const lines = [...known, ...told.filter(({ number }) => number > last)];
  if (lines.length === 0) return null;
  return (
    <Section title="Log">
      <Box
        component="pre"
        tabIndex={0}
        role="region"
        aria-label="Log"
        sx={{
          m: 0,
          maxHeight: 360,
          overflow: 'auto',
          fontSize: '0.8125rem',
          fontFamily: 'ui-monospace, monospace',
          whiteSpace: 'pre-wrap',
        }}
      >
        {lines.map(({ number, at, message }) => (
          <div key={number}>
            <Box component="span" sx={{ color: 'text.secondary' }}>
              {formatInstant(at)}
            </Box>{' '}
            {message}
          </div>
        ))}
      </Box>
    </Section>
  );
}
