import { ERASURE_CUSTOMERS } from '@clove/contracts';
import { Alert, Button, Stack, TextField } from '@mui/material';
import { useState } from 'react';
import { Link } from 'react-router';
import {
  type Erasure,
  useGetErasureQuery,
  useListErasuresQuery,
  useStartErasureMutation,
} from '../../api/generated/clove-api.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { DataTable } from '../../components/data-table.js';
import { JobProgress } from '../../components/job-progress.js';
import { Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { EmptyView } from '../../components/states.js';
import { StatusChip } from '../../components/status-chip.js';
import { Warnings } from '../../components/warnings.js';
import { formatCount, formatInstant } from '../../lib/format.js';

const count = (n: number, noun: string): string => `${formatCount(n)} ${noun}${n === 1 ? '' : 's'}`;

/** What an erasure has done, in a sentence. */
const inWords = ({ customers, result }: Erasure): string => {
  const { found, datasets, datasetRows, predictions, predictionRows, uploads, texts, rejectedValues } = result;
  const done = [
    datasetRows === 0 ? null : `${count(datasetRows, 'row')} of ${count(datasets, 'dataset')}`,
    predictionRows === 0 ? null : `${count(predictionRows, 'row')} of ${count(predictions, 'prediction')}`,
    uploads === 0 ? null : `the uploaded files of ${count(uploads, 'dataset')}`,
    texts + rejectedValues === 0 ? null : count(texts + rejectedValues, 'message'),
  ].flatMap((text) => text ?? []);
  const who = `${formatCount(found)} of ${count(customers, 'customer')} found`;
  return done.length === 0 ? `${who}; nothing had to be changed` : `${who}; erased: ${done.join(', ')}`;
};

/** Customers taken out of all that is kept of them. For administrators. */
export function ErasuresTab() {
  const cursor = useCursor();
  const { data, error, isLoading, refetch } = useListErasuresQuery({ limit: 50, cursor });
  const [start] = useStartErasureMutation();
  const [text, setText] = useState('');
  const [asking, setAsking] = useState(false);
  const [started, setStarted] = useState<{ id: string; jobId: string } | null>(null);
  const customers = [...new Set(text.split('\n').map((line) => line.trim()))].filter((line) => line !== '');
  const tooMany = customers.length > ERASURE_CUSTOMERS;
  return (
    <>
      <Section
        title="Erase customers"
        subtitle="Their rows go from all datasets and predictions, with the uploaded files that name them. Models stay: they hold no rows."
      >
        <Stack sx={{ gap: 2, alignItems: 'flex-start' }}>
          <TextField
            label="Customer ids"
            multiline
            fullWidth
            minRows={3}
            maxRows={10}
            value={text}
            onChange={(event) => setText(event.target.value)}
            error={tooMany}
            helperText={
              tooMany
                ? `${formatCount(ERASURE_CUSTOMERS)} at once at most`
                : 'One a line, as they were in the files. They are forgotten once the erasure has ended.'
            }
            slotProps={{ htmlInput: { autoComplete: 'off', spellCheck: false } }}
          />
          <Button
            variant="contained"
            color="error"
            disabled={customers.length === 0 || tooMany}
            onClick={() => setAsking(true)}
          >
            Erase
          </Button>
          {started === null ? null : (
            <Stack sx={{ gap: 1.5, width: '100%' }}>
              <JobProgress jobId={started.jobId} done={<Done id={started.id} />} />
            </Stack>
          )}
        </Stack>
      </Section>
      <Section flush title="Erasures">
        <DataTable<Erasure>
          label="Erasures"
          rows={data?.items}
          loading={isLoading}
          error={error}
          onRetry={() => void refetch()}
          next={data?.next ?? null}
          phoneFields={['createdAt', 'status']}
          empty={<EmptyView title="Nobody has been erased yet" />}
          columns={[
            { field: 'createdAt', headerName: 'When', width: 190, valueFormatter: (at: string) => formatInstant(at) },
            {
              field: 'status',
              headerName: 'Status',
              width: 130,
              renderCell: ({ row }) => (
                <Link to={`/jobs/${row.jobId}`} aria-label={`Job of the erasure of ${formatInstant(row.createdAt)}`}>
                  <StatusChip status={row.status} />
                </Link>
              ),
            },
            {
              field: 'result',
              headerName: 'What was done',
              flex: 1,
              minWidth: 260,
              sortable: false,
              valueGetter: (_value, row) => inWords(row),
            },
          ]}
        />
      </Section>
      <ConfirmDialog
        open={asking}
        destructive
        title={`Erase ${count(customers.length, 'customer')}?`}
        action="Erase for good"
        onConfirm={async () => {
          const { id, job } = await start({ startErasure: { customers } }).unwrap();
          setStarted({ id, jobId: job.id });
          setText('');
        }}
        onClose={() => setAsking(false)}
      >
        What is erased does not come back, but from a backup. Backups and the logs of the services are not searched.
      </ConfirmDialog>
    </>
  );
}

/** The outcome of the erasure that was just asked for. */
function Done({ id }: { id: string }) {
  const { data } = useGetErasureQuery({ id }, { refetchOnMountOrArgChange: true });
  if (data === undefined) return null;
  return (
    <>
      <Alert severity="success" variant="outlined">
        {inWords(data)}.
      </Alert>
      <Warnings warnings={data.result.warnings} />
    </>
  );
}
