import { Box, InputAdornment, Stack, TextField, type Theme, Typography, useMediaQuery } from '@mui/material';
import {
  DataGrid,
  type GridColDef,
  type GridRowId,
  type GridSortModel,
  type GridValidRowModel,
} from '@mui/x-data-grid';
import { type ReactNode, useEffect, useMemo, useRef, useState } from 'react';
import { useNavigate } from 'react-router';
import type { RowPage } from '../api/generated/clove-api.js';
import { formatCount } from '../lib/format.js';
import { SearchIcon } from './icons.js';
import { Pager } from './pager.js';
import { EmptyView, ErrorView } from './states.js';

/** px */
const ROW_HEIGHT = 44;

const LOOKS = {
  border: 0,
  '--DataGrid-containerBackground': 'transparent',
  '& .MuiDataGrid-columnHeaderTitle': { fontWeight: 600 },
  '& .MuiDataGrid-cell': { fontVariantNumeric: 'tabular-nums' },
  // the first column begins where the card's heading does
  '& .MuiDataGrid-columnHeader:first-of-type, & .MuiDataGrid-cell:first-of-type, & [data-colindex="0"], & [aria-colindex="1"]':
    {
      paddingLeft: 2.5,
    },
  '& .clove-link': { cursor: 'pointer' },
} as const;

type DataTableProps<Row extends GridValidRowModel> = {
  /** what the rows are, for screen readers */
  label: string;
  columns: readonly GridColDef<Row>[];
  rows: readonly Row[] | undefined;
  loading?: boolean;
  error?: unknown;
  onRetry?: () => void;
  getRowId?: (row: Row) => GridRowId;
  /** page of a row: a click or Enter leads there */
  rowHref?: (row: Row) => string;
  /** in place of the table where there are no rows */
  empty?: ReactNode;
  /** lists read by cursor (`useCursor`): the `next` of the page that is shown */
  next?: string | null;
  /** fields that stay on a phone; all when left out */
  phoneFields?: readonly string[];
};

/** A list that the browser holds as a whole: sorts and filters here. For long tables see {@link RowsTable}. */
export function DataTable<Row extends GridValidRowModel>(props: DataTableProps<Row>) {
  const {
    label,
    columns,
    rows,
    loading = false,
    error,
    onRetry,
    getRowId,
    rowHref,
    empty,
    next = null,
    phoneFields,
  } = props;
  const navigate = useNavigate();
  const phone = useMediaQuery((theme: Theme) => theme.breakpoints.down('sm'), { noSsr: true });
  const visible = useMemo(
    () => Object.fromEntries(columns.map(({ field }) => [field, !phone || (phoneFields?.includes(field) ?? true)])),
    [columns, phone, phoneFields],
  );
  if (error !== undefined && error !== null && rows === undefined) {
    return (
      <Box sx={{ p: 2 }}>
        <ErrorView error={error} onRetry={onRetry} />
      </Box>
    );
  }
  if (rows?.length === 0 && !loading) return <>{empty ?? <EmptyView title="Nothing here yet" />}</>;
  return (
    <Box sx={{ display: 'flex', flexDirection: 'column', minHeight: rows === undefined ? 240 : undefined }}>
      <DataGrid<Row>
        aria-label={label}
        rows={rows ?? []}
        columns={columns}
        loading={loading || rows === undefined}
        getRowId={getRowId}
        columnVisibilityModel={visible}
        hideFooter
        disableRowSelectionOnClick
        disableColumnMenu
        rowHeight={ROW_HEIGHT}
        columnHeaderHeight={ROW_HEIGHT}
        getRowClassName={() => (rowHref === undefined ? '' : 'clove-link')}
        onRowClick={rowHref === undefined ? undefined : ({ row }) => void navigate(rowHref(row))}
        onCellKeyDown={(params, event) => {
          if (rowHref !== undefined && event.key === 'Enter' && params.field !== 'actions') {
            void navigate(rowHref(params.row));
          }
        }}
        sx={LOOKS}
      />
      <Pager next={next} />
    </Box>
  );
}

/** What a table of rows that the server sorts, searches and pages is asked for. */
export type RowsQueryState = { offset: number; limit: number; sort?: string; order: 'asc' | 'desc'; search?: string };

/** State of a {@link RowsTable}: give `query` to the endpoint and both to the table. */
export function useRowsQuery(initial: Partial<RowsQueryState> = {}) {
  return useState<RowsQueryState>({ offset: 0, limit: 100, order: 'asc', ...initial });
}

type RowsTableProps = {
  label: string;
  page: RowPage | undefined;
  /** true while what `query` asks for is on its way */
  loading: boolean;
  error?: unknown;
  onRetry?: () => void;
  query: RowsQueryState;
  onQuery: (query: RowsQueryState) => void;
  /** label of the search field; no field when left out */
  search?: string;
  /** how a column looks: by name; what is left out looks as its values are. The same object each time: a new one starts over */
  columns?: Readonly<Record<string, Partial<GridColDef>>>;
};

const SEARCH_PAUSE_MS = 300;
const AS_THEY_ARE = {};

/** A table of any length: the server sorts, searches and pages, and the browser holds one page. */
export function RowsTable({
  label,
  page,
  loading,
  error,
  onRetry,
  query,
  onQuery,
  search,
  columns = AS_THEY_ARE,
}: RowsTableProps) {
  const [typed, setTyped] = useState(query.search ?? '');
  useEffect(() => {
    if (typed === (query.search ?? '')) return undefined;
    const timer = setTimeout(() => {
      const { search: _before, ...rest } = query;
      onQuery({ ...rest, offset: 0, ...(typed === '' ? {} : { search: typed }) });
    }, SEARCH_PAUSE_MS);
    return () => clearTimeout(timer);
  }, [typed, query, onQuery]);

  const names = page?.columns;
  // the grid goes back to its first page whenever it gets other columns or another sort, equal ones too
  const numbers = useRef(new Set<string>());
  for (const row of page?.rows ?? []) {
    for (const [n, value] of row.entries()) if (typeof value === 'number') numbers.current.add(page?.columns[n] ?? '');
  }
  const known = JSON.stringify((names ?? []).map((name) => ({ name, numeric: numbers.current.has(name) })));
  const defs = useMemo<GridColDef[]>(
    () =>
      (JSON.parse(known) as { name: string; numeric: boolean }[]).map(({ name, numeric }) => ({
        field: name,
        minWidth: 120,
        flex: 1,
        ...(numeric ? { align: 'right', headerAlign: 'right' } : {}),
        ...columns[name],
      })),
    [known, columns],
  );
  const { sort, order } = query;
  const sortModel = useMemo<GridSortModel>(
    () => (sort === undefined ? [] : [{ field: sort, sort: order }]),
    [sort, order],
  );
  const rows = useMemo(
    () =>
      (page?.rows ?? []).map((row, n) =>
        Object.fromEntries([['#', (page?.offset ?? 0) + n], ...row.map((value, c) => [page?.columns[c] ?? '', value])]),
      ),
    [page],
  );

  return (
    <Box>
      {search === undefined ? null : (
        <Stack direction="row" sx={{ px: 2, py: 1.5, gap: 2, alignItems: 'center', flexWrap: 'wrap' }}>
          <TextField
            label={search}
            type="search"
            value={typed}
            onChange={(event) => setTyped(event.target.value)}
            sx={{ width: { xs: '100%', sm: 280 } }}
            slotProps={{
              input: {
                startAdornment: (
                  <InputAdornment position="start">
                    <SearchIcon fontSize="small" />
                  </InputAdornment>
                ),
              },
            }}
          />
          <Typography variant="body2" color="textSecondary" role="status">
            {page === undefined ? '' : `${formatCount(page.total)} ${page.total === 1 ? 'row' : 'rows'}`}
          </Typography>
        </Stack>
      )}
      {error === undefined || error === null ? null : (
        <Box sx={{ p: 2 }}>
          <ErrorView error={error} onRetry={onRetry} />
        </Box>
      )}
      <Box sx={{ height: 'min(640px, 75vh)' }}>
        <DataGrid
          aria-label={label}
          rows={rows}
          columns={defs}
          loading={loading}
          getRowId={(row) => Number(row['#'])}
          rowCount={page?.total ?? 0}
          paginationMode="server"
          pageSizeOptions={[25, 50, 100]}
          paginationModel={{ page: Math.floor(query.offset / query.limit), pageSize: query.limit }}
          onPaginationModelChange={({ page: at, pageSize }) =>
            onQuery({ ...query, offset: at * pageSize, limit: pageSize })
          }
          sortingMode="server"
          sortModel={sortModel}
          onSortModelChange={([first]) => {
            // before the columns are known the grid takes a sort by one of them away
            if (names === undefined) return;
            const { sort: _before, ...rest } = query;
            onQuery({
              ...rest,
              offset: 0,
              order: first?.sort ?? 'asc',
              ...(first === undefined ? {} : { sort: first.field }),
            });
          }}
          disableColumnFilter
          disableColumnMenu
          disableRowSelectionOnClick
          rowHeight={36}
          columnHeaderHeight={ROW_HEIGHT}
          localeText={{ noRowsLabel: query.search === undefined ? 'No rows' : `Nothing contains "${query.search}"` }}
          sx={LOOKS}
        />
      </Box>
    </Box>
  );
}
