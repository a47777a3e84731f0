import {
  Box,
  Button,
  Menu,
  MenuItem,
  Skeleton,
  Stack,
  Table,
  TableBody,
  TableCell,
  TableContainer,
  TableHead,
  TableRow,
} from '@mui/material';
import { useColorScheme } from '@mui/material/styles';
import type * as charts from '@clove/charts';
import type { ChartOptions, ChartSpec } from '@clove/charts';
import { useEffect, useRef, useState } from 'react';
import { saveBlob } from '../lib/save.js';
import { DownloadIcon, TableChartIcon } from './icons.js';
import { ErrorView } from './states.js';

type Charts = typeof charts;

type ChartViewProps = {
  /** file name of a download, without its ending */
  name: string;
  /** the chart, by a function of `@clove/charts`; give a stable function (useCallback), for a new one draws anew */
  draw: (charts: Charts, options: ChartOptions) => ChartSpec;
  /** code of the currency of amounts */
  currency?: string | null;
  /** height of the picture in px; chosen by the chart when left out */
  height?: number;
  /** the same figures as a table, for who cannot see the chart */
  table: { columns: readonly string[]; rows: readonly (readonly (string | number)[])[] };
};

/** px: charts are drawn no narrower, and scaled down where there is less */
const LEAST_WIDTH = 400;
const MOST_WIDTH = 1100;
/** px: width of what is downloaded, and how many pixels a px has there */
const DOWNLOAD_WIDTH = 960;
const DOWNLOAD_SCALE = 2;

/** A chart of `@clove/charts`: in the theme of the page and as wide as its place, with its figures as a table, SVG and PNG. */
export function ChartView({ name, draw, currency, height, table }: ChartViewProps) {
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const [state, setState] = useState<{ drawn: boolean; error: unknown; description: string }>({
    drawn: false,
    error: null,
    description: '',
  });
  const [asTable, setAsTable] = useState(false);
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const { mode, systemMode } = useColorScheme();
  const theme = (mode === 'system' ? systemMode : mode) === 'dark' ? 'dark' : 'light';

  useEffect(() => {
    const element = frame.current;
    if (element === null) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry?.contentRect.width ?? 0)));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    const element = canvas.current;
    if (element === null || width === 0) return undefined;
    let left = false;
    let finalize: (() => void) | undefined;
    const options = optionsOf({ theme, width: Math.min(MOST_WIDTH, Math.max(LEAST_WIDTH, width)), height, currency });
    const show = async () => {
      try {
        const [charts, vega] = await Promise.all([import('@clove/charts'), import('./vega.js')]);
        const spec = draw(charts, options);
        if (left) return;
        finalize = await vega.show(spec, element);
        if (left) finalize();
        else setState({ drawn: true, error: null, description: String(spec.description ?? name) });
      } catch (error) {
        if (!left) setState({ drawn: false, error, description: '' });
      }
    };
    void show();
    return () => {
      left = true;
      finalize?.();
    };
  }, [draw, theme, width, height, currency, name]);

  const download = async (format: 'svg' | 'png') => {
    setAnchor(null);
    const [charts, vega] = await Promise.all([import('@clove/charts'), import('./vega.js')]);
    const spec = draw(charts, optionsOf({ theme: 'light', width: DOWNLOAD_WIDTH, height, currency }));
    saveBlob(await (format === 'svg' ? vega.toSvg(spec) : vega.toPng(spec, DOWNLOAD_SCALE)), `${name}.${format}`);
  };

  return (
    <Box component="figure" sx={{ m: 0 }}>
      <Stack direction="row" className="no-print" sx={{ justifyContent: 'flex-end', gap: 0.5 }}>
        <Button
          size="small"
          color="secondary"
          startIcon={<TableChartIcon />}
          aria-pressed={asTable}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? 'Hide figures' : 'Figures'}
        </Button>
        <Button
          size="small"
          color="secondary"
          startIcon={<DownloadIcon />}
          aria-haspopup="menu"
          aria-expanded={anchor !== null}
          disabled={!state.drawn}
          onClick={(event) => setAnchor(event.currentTarget)}
        >
          Save
        </Button>
        <Menu anchorEl={anchor} open={anchor !== null} onClose={() => setAnchor(null)}>
          <MenuItem onClick={() => void download('svg')}>Picture (SVG)</MenuItem>
          <MenuItem onClick={() => void download('png')}>Picture (PNG)</MenuItem>
        </Menu>
      </Stack>
      <Box ref={frame}>
        {state.error === null ? null : <ErrorView title="The chart could not be drawn" error={state.error} />}
        {state.drawn || state.error !== null ? null : <Skeleton variant="rounded" height={height ?? 320} />}
        <Box
          ref={canvas}
          role="img"
          aria-label={state.description || name}
          hidden={!state.drawn}
          sx={{ '& svg': { display: 'block', maxWidth: '100%', height: 'auto' } }}
        />
      </Box>
      {asTable ? (
        <TableContainer sx={{ maxHeight: 360, mt: 1 }} tabIndex={0} role="region" aria-label={`Figures of ${name}`}>
          <Table size="small" stickyHeader>
            <TableHead>
              <TableRow>
                {table.columns.map((column) => (
                  <TableCell key={column}>{column}</TableCell>
                ))}
              </TableRow>
            </TableHead>
            <TableBody>
              {table.rows.map((row, n) => (
                // rows have no identity of their own
                // oxlint-disable-next-line react/no-array-index-key
                <TableRow key={n}>
                  {row.map((value, c) => (
                    <TableCell key={table.columns[c]} sx={{ fontVariantNumeric: 'tabular-nums' }}>
                      {value}
                    </TableCell>
                  ))}
                </TableRow>
              ))}
            </TableBody>
          </Table>
        </TableContainer>
      ) : null}
    </Box>
  );
}

const optionsOf = ({
  theme,
  width,
  height,
  currency,
}: {
  theme: 'light' | 'dark';
  width: number;
  height?: number;
  currency?: string | null;
}): ChartOptions => ({
  theme,
  width,
  ...(height === undefined ? {} : { height }),
  ...(currency ? { currency } : {}),
});
