import {
  Box,
  Button,
  Card,
  CardActionArea,
  Divider,
  Link as MuiLink,
  Stack,
  Table,
  TableBody,
  TableCell,
  TableContainer,
  TableHead,
  TableRow,
  Typography,
} from '@mui/material';
import { isTerminal } from '@clove/contracts';
import type { ReactNode } from 'react';
import { Link } from 'react-router';
import { BoltIcon } from '../../components/icons.js';
import { JobProgress } from '../../components/job-progress.js';
import { Section } from '../../components/page.js';
import { StatusChip } from '../../components/status-chip.js';
import { formatCount, formatMoney, formatSince } from '../../lib/format.js';
import type { Here } from './here.js';
import { nextSteps } from './next-steps.js';

const SHOWN = 5;

/** Once customers have been scored: what is here, what runs, what to do next, what came last. */
export function Overview({ here }: { here: Here }) {
  const running = here.jobs.filter(({ status }) => !isTerminal(status)).slice(0, 3);
  const next = nextSteps(here);
  const currencyOf = (datasetId: string | null) => here.datasets.find(({ id }) => id === datasetId)?.currency;
  return (
    <Stack sx={{ gap: 3 }}>
      <Box sx={{ display: 'grid', gap: 2, gridTemplateColumns: { xs: '1fr 1fr', md: 'repeat(4, 1fr)' } }}>
        <Tile to="/datasets" label="Datasets" items={here.datasets} />
        <Tile to="/models" label="Models" items={here.models} />
        <Tile to="/training" label="Trainings" items={here.runs} />
        <Tile to="/predict" label="Predictions" items={here.predictions} />
      </Box>
      {running.length === 0 ? null : (
        <Section title="Running now">
          <Stack divider={<Divider />} sx={{ gap: 2 }}>
            {running.map(({ id }) => (
              <JobProgress key={id} jobId={id} />
            ))}
          </Stack>
        </Section>
      )}
      <Section title="What to do next">
        <Stack component="ul" sx={{ listStyle: 'none', m: 0, p: 0, gap: 1.5 }}>
          {next.map(({ to, action, why }) => (
            <Stack
              key={to + action}
              component="li"
              direction={{ xs: 'column', sm: 'row' }}
              sx={{ gap: { xs: 0.5, sm: 2 }, alignItems: { sm: 'center' } }}
            >
              <Typography variant="body2" sx={{ flex: 1 }}>
                {why}
              </Typography>
              <Button
                component={Link}
                to={to}
                size="small"
                variant="outlined"
                sx={{ alignSelf: { xs: 'flex-start', sm: 'center' } }}
              >
                {action}
              </Button>
            </Stack>
          ))}
        </Stack>
      </Section>
      <Section
        flush
        title="Latest predictions"
        actions={
          <Button component={Link} to="/predict" size="small" startIcon={<BoltIcon />}>
            Quick predict
          </Button>
        }
      >
        <Latest
          label="Latest predictions"
          columns={['Model', 'State', 'Customers', 'Expected spend', 'Made']}
          rows={here.predictions.slice(0, SHOWN).map((prediction) => ({
            key: prediction.id,
            cells: [
              <MuiLink key="to" component={Link} to={`/predict/${prediction.id}`}>
                {prediction.model} version {prediction.version}
              </MuiLink>,
              <StatusChip key="status" status={prediction.status} />,
              formatCount(prediction.rows),
              formatMoney(prediction.summary?.total, currencyOf(prediction.datasetId)),
              formatSince(prediction.createdAt),
            ],
          }))}
        />
      </Section>
      <Section flush title="Latest trainings">
        <Latest
          label="Latest trainings"
          columns={['Model', 'State', 'Type', 'Version', 'Made']}
          rows={here.runs.slice(0, SHOWN).map((run) => ({
            key: run.id,
            cells: [
              <MuiLink key="to" component={Link} to={`/training/${run.id}`}>
                {run.modelName}
              </MuiLink>,
              <StatusChip key="status" status={run.status} />,
              run.options.model,
              run.version === null ? '–' : formatCount(run.version),
              formatSince(run.createdAt),
            ],
          }))}
        />
      </Section>
    </Stack>
  );
}

/** How many there are; the lists hold the latest alone, so from there on "20+". */
function Tile({ to, label, items }: { to: string; label: string; items: readonly unknown[] }) {
  return (
    <Card>
      <CardActionArea component={Link} to={to} sx={{ p: 2 }}>
        <Typography variant="caption" component="div" color="textSecondary">
          {label}
        </Typography>
        <Typography component="div" sx={{ fontSize: '1.625rem', fontWeight: 650, lineHeight: 1.25 }}>
          {items.length >= 20 ? '20+' : formatCount(items.length)}
        </Typography>
      </CardActionArea>
    </Card>
  );
}

function Latest({
  label,
  columns,
  rows,
}: {
  label: string;
  columns: readonly string[];
  rows: readonly { key: string; cells: readonly ReactNode[] }[];
}) {
  return (
    <TableContainer tabIndex={0} role="region" aria-label={label}>
      <Table size="small">
        <TableHead>
          <TableRow>
            {columns.map((column) => (
              <TableCell key={column} sx={{ whiteSpace: 'nowrap' }}>
                {column}
              </TableCell>
            ))}
          </TableRow>
        </TableHead>
        <TableBody>
          {rows.map(({ key, cells }) => (
            <TableRow key={key}>
              {cells.map((cell, n) => (
                <TableCell key={columns[n]} sx={{ whiteSpace: 'nowrap', fontVariantNumeric: 'tabular-nums' }}>
                  {cell}
                </TableCell>
              ))}
            </TableRow>
          ))}
        </TableBody>
      </Table>
    </TableContainer>
  );
}
