import { Box, Table, TableBody, TableCell, TableContainer, TableHead, TableRow, Typography } from '@mui/material';
import type { ColumnProfile, DatasetProfile } from '../api/generated/clove-api.js';
import { formatCount, formatDay, formatNumber, formatPercent } from '../lib/format.js';
import { MiniBars } from './mini-bars.js';

const ROLES: Record<ColumnProfile['role'], string> = {
  customer: 'customer',
  time: 'time',
  amount: 'amount',
  order: 'order number',
  attribute: 'attribute',
  id: 'customer',
  target: 'target',
  feature: 'feature',
  ignored: 'ignored',
};

const number = { textAlign: 'right', fontVariantNumeric: 'tabular-nums', whiteSpace: 'nowrap' } as const;

const edge = (value: ColumnProfile['min'], type: ColumnProfile['type']): string => {
  if (value === null) return '–';
  if (typeof value === 'number') return formatNumber(value);
  return type === 'timestamp' ? formatDay(value.slice(0, 10)) : value;
};

/** Every column with its type, what is missing, its mean and spread, and a small histogram. */
export function ProfileTable({ profile }: { profile: DatasetProfile }) {
  return (
    <TableContainer tabIndex={0} role="region" aria-label="Columns">
      <Table size="small">
        <TableHead>
          <TableRow>
            <TableCell>Column</TableCell>
            <TableCell>Type</TableCell>
            <TableCell>Distribution</TableCell>
            <TableCell sx={number}>Missing</TableCell>
            <TableCell sx={number}>Distinct</TableCell>
            <TableCell sx={number}>Mean</TableCell>
            <TableCell sx={number}>Sd</TableCell>
            <TableCell sx={number}>Least</TableCell>
            <TableCell sx={number}>Median</TableCell>
            <TableCell sx={number}>Most</TableCell>
          </TableRow>
        </TableHead>
        <TableBody>
          {profile.columns.map((column) => (
            <TableRow key={column.name}>
              <TableCell sx={{ minWidth: 140 }}>
                <Typography variant="body2" sx={{ fontWeight: 600 }}>
                  {column.name}
                </Typography>
                <Typography variant="caption" color="textSecondary">
                  {ROLES[column.role]}
                </Typography>
              </TableCell>
              <TableCell>{column.type}</TableCell>
              <TableCell sx={{ minWidth: 150 }}>
                <Distribution column={column} />
              </TableCell>
              <TableCell sx={number}>
                {column.missing === 0
                  ? '0'
                  : `${formatCount(column.missing)} (${formatPercent(column.missing / profile.rows)})`}
              </TableCell>
              <TableCell sx={number}>{formatCount(column.distinct)}</TableCell>
              <TableCell sx={number}>{formatNumber(column.mean)}</TableCell>
              <TableCell sx={number}>{formatNumber(column.sd)}</TableCell>
              <TableCell sx={number}>{edge(column.min, column.type)}</TableCell>
              <TableCell sx={number}>{formatNumber(column.quantiles?.p50)}</TableCell>
              <TableCell sx={number}>{edge(column.max, column.type)}</TableCell>
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </TableContainer>
  );
}

function Distribution({ column }: { column: ColumnProfile }) {
  if (column.histogram !== null) {
    return (
      <MiniBars
        label={`Histogram of ${column.name}`}
        bars={column.histogram.map(({ from, to, count }) => ({
          label: `${formatNumber(from)} to ${formatNumber(to)}`,
          count,
        }))}
      />
    );
  }
  if (column.categories === null || column.categories.length === 0) return null;
  const shown = column.categories.slice(0, 3);
  return (
    <Box sx={{ typography: 'caption', color: 'text.secondary' }}>
      {shown.map(({ value, count }) => (
        <Box key={value} sx={{ maxWidth: 220, overflow: 'hidden', textOverflow: 'ellipsis', whiteSpace: 'nowrap' }}>
          {value} ({formatCount(count)})
        </Box>
      ))}
    </Box>
  );
}
