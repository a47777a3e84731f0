import { Alert, Box } from '@mui/material';
import type { Warning } from '../api/generated/clove-api.js';

/** What was noticed and done about it: one box, a line each. Nothing where there is nothing to say. */
export function Warnings({ warnings }: { warnings: readonly Warning[] }) {
  const [first, ...others] = warnings;
  if (first === undefined) return null;
  return (
    <Alert severity="warning" variant="outlined">
      {others.length === 0 ? (
        first.message
      ) : (
        <Box component="ul" sx={{ m: 0, pl: 2.5 }}>
          {warnings.map(({ code, message }) => (
            <li key={`${code}${message}`}>{message}</li>
          ))}
        </Box>
      )}
    </Alert>
  );
}
