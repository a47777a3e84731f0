import {
  Box,
  Stack,
  Table,
  TableBody,
  TableCell,
  TableContainer,
  TableHead,
  TableRow,
  Typography,
} from '@mui/material';
import type { DatasetProfile } from '../../api/generated/clove-api.js';
import { EmptyView } from '../../components/states.js';
import { CheckCircleIcon } from '../../components/icons.js';
import { formatCount } from '../../lib/format.js';

/** Rows that were not taken: how many for which reason, and the first of them with their place in the file. */
export function RejectedRows({ profile }: { profile: DatasetProfile }) {
  const { rejectedRows, rejectedByReason, rejectedSample } = profile;
  if (rejectedRows === 0) {
    return (
      <EmptyView title="Every row was taken" icon={<CheckCircleIcon fontSize="inherit" />}>
        Rows that cannot be used would be listed here with their reason.
      </EmptyView>
    );
  }
  return (
    <Stack sx={{ gap: 2, py: 2 }}>
      <Box component="ul" sx={{ m: 0, pl: 5, typography: 'body2' }}>
        {rejectedByReason.map(({ reason, count }) => (
          <li key={reason}>
            {formatCount(count)} {count === 1 ? 'row' : 'rows'}: {reason}
          </li>
        ))}
      </Box>
      {rejectedSample.length < rejectedRows ? (
        <Typography variant="body2" color="textSecondary" sx={{ px: 2.5 }}>
          The first {formatCount(rejectedSample.length)} of {formatCount(rejectedRows)}:
        </Typography>
      ) : null}
      <TableContainer tabIndex={0} role="region" aria-label="Rejected rows" sx={{ maxHeight: 560 }}>
        <Table size="small" stickyHeader>
          <TableHead>
            <TableRow>
              <TableCell>File</TableCell>
              <TableCell sx={{ textAlign: 'right' }}>Row</TableCell>
              <TableCell>Column</TableCell>
              <TableCell>Value</TableCell>
              <TableCell>Reason</TableCell>
            </TableRow>
          </TableHead>
          <TableBody>
            {rejectedSample.slice(0, 200).map(({ file, row, column, value, reason }) => (
              <TableRow key={`${file}${row}${column}${reason}`}>
                <TableCell>{file}</TableCell>
                <TableCell sx={{ textAlign: 'right', fontVariantNumeric: 'tabular-nums' }}>
                  {formatCount(row)}
                </TableCell>
                <TableCell>{column ?? '–'}</TableCell>
                <TableCell sx={{ maxWidth: 240, overflowWrap: 'anywhere' }}>{value ?? 'empty'}</TableCell>
                <TableCell>{reason}</TableCell>
              </TableRow>
            ))}
          </TableBody>
        </Table>
      </TableContainer>
    </Stack>
  );
}
