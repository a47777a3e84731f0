import { Box, Chip, Table, TableBody, TableCell, TableContainer, TableHead, TableRow } from '@mui/material';

type ColumnsTableProps = {
  columns: readonly string[];
  rows: readonly (readonly string[])[];
  /** what a column means, by its name */
  roles: Readonly<Record<string, string>>;
};

/** The first rows of a file as they stand in it, with what each column is taken for. */
export function ColumnsTable({ columns, rows, roles }: ColumnsTableProps) {
  return (
    <TableContainer
      tabIndex={0}
      role="region"
      aria-label="First rows"
      sx={{ border: 1, borderColor: 'divider', borderRadius: 1 }}
    >
      <Table size="small">
        <TableHead>
          <TableRow>
            {columns.map((column) => (
              <TableCell key={column} sx={{ whiteSpace: 'nowrap', verticalAlign: 'bottom' }}>
                <Box sx={{ minHeight: 24, mb: 0.5 }}>
                  {roles[column] === undefined ? null : <Chip size="small" color="primary" label={roles[column]} />}
                </Box>
                {column}
              </TableCell>
            ))}
          </TableRow>
        </TableHead>
        <TableBody>
          {rows.map((row, n) => (
            // rows of a file have no identity but their place
            // oxlint-disable-next-line react/no-array-index-key
            <TableRow key={n}>
              {columns.map((column, c) => (
                <TableCell
                  key={column}
                  sx={{
                    whiteSpace: 'nowrap',
                    maxWidth: 260,
                    overflow: 'hidden',
                    textOverflow: 'ellipsis',
                    bgcolor: roles[column] === undefined ? undefined : 'action.hover',
                  }}
                >
                  {row[c]}
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </TableContainer>
  );
}
