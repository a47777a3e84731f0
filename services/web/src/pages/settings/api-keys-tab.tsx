import {
  Alert,
  Button,
  Chip,
  Dialog,
  DialogActions,
  DialogContent,
  DialogTitle,
  IconButton,
  InputAdornment,
  MenuItem,
  Stack,
  TextField,
  Tooltip,
  Typography,
} from '@mui/material';
import { type FormEvent, useState } from 'react';
import {
  type ApiKey,
  type KeyScope,
  type NewApiKey,
  useCreateApiKeyMutation,
  useListApiKeysQuery,
  useRevokeApiKeyMutation,
} from '../../api/generated/clove-api.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { DataTable } from '../../components/data-table.js';
import { AddIcon, CheckIcon, ContentCopyIcon, KeyIcon } from '../../components/icons.js';
import { Section } from '../../components/page.js';
import { EmptyView, ErrorView } from '../../components/states.js';
import { formatDay, formatInstant, formatSince } from '../../lib/format.js';

const SCOPES: Record<KeyScope, string> = { read: 'Read only', write: 'Read and write' };
const DAYS = ['30', '90', '365', ''] as const;
const DAY_MS = 24 * 3600 * 1000;

/** What a key is good for at this moment. */
const stateOf = ({ revokedAt, expiresAt }: ApiKey): 'Works' | 'Revoked' | 'Run out' =>
  revokedAt !== null ? 'Revoked' : expiresAt !== null && Date.parse(expiresAt) < Date.now() ? 'Run out' : 'Works';

/** API keys for programs: made, with their secret shown once, and revoked. */
export function ApiKeysTab() {
  const { data, error, isLoading, refetch } = useListApiKeysQuery();
  const [revoke] = useRevokeApiKeyMutation();
  const [making, setMaking] = useState(false);
  const [made, setMade] = useState<NewApiKey | null>(null);
  const [revoking, setRevoking] = useState<ApiKey | null>(null);
  return (
    <>
      <Section
        flush
        title="API keys"
        subtitle="With a key a program may do what you may: header Authorization: Bearer clv_…"
        actions={
          <Button variant="contained" startIcon={<AddIcon />} onClick={() => setMaking(true)} sx={{ flexShrink: 0 }}>
            New key
          </Button>
        }
      >
        <DataTable<ApiKey>
          label="API keys"
          rows={data?.items}
          loading={isLoading}
          error={error}
          onRetry={() => void refetch()}
          phoneFields={['name', 'state', 'actions']}
          empty={
            <EmptyView title="No keys yet" icon={<KeyIcon fontSize="inherit" />}>
              Make one for a script, a notebook or another system.
            </EmptyView>
          }
          columns={[
            { field: 'name', headerName: 'Name', flex: 1, minWidth: 110 },
            {
              field: 'prefix',
              headerName: 'Begins with',
              width: 150,
              renderCell: ({ row }) => <code>{row.prefix}…</code>,
            },
            { field: 'scope', headerName: 'May', width: 130, valueFormatter: (scope: KeyScope) => SCOPES[scope] },
            { field: 'createdAt', headerName: 'Made', width: 130, valueFormatter: (at: string) => formatSince(at) },
            {
              field: 'lastUsedAt',
              headerName: 'Last used',
              width: 130,
              valueFormatter: (at: string | null) => (at === null ? 'Never' : formatSince(at)),
            },
            {
              field: 'expiresAt',
              headerName: 'Runs out',
              width: 130,
              valueFormatter: (at: string | null) => (at === null ? 'Never' : formatDay(at.slice(0, 10))),
            },
            {
              field: 'state',
              headerName: 'State',
              width: 100,
              valueGetter: (_value, row) => stateOf(row),
              renderCell: ({ row }) => (
                <Chip
                  size="small"
                  variant="outlined"
                  label={stateOf(row)}
                  color={stateOf(row) === 'Works' ? 'success' : 'default'}
                />
              ),
            },
            {
              field: 'actions',
              headerName: '',
              width: 96,
              sortable: false,
              renderCell: ({ row }) =>
                stateOf(row) === 'Works' ? (
                  <Button size="small" color="error" onClick={() => setRevoking(row)} aria-label={`Revoke ${row.name}`}>
                    Revoke
                  </Button>
                ) : null,
            },
          ]}
        />
      </Section>
      {making ? (
        <NewKeyDialog
          onClose={() => setMaking(false)}
          onMade={(key) => {
            setMaking(false);
            setMade(key);
          }}
        />
      ) : null}
      {made === null ? null : <SecretDialog apiKey={made} onClose={() => setMade(null)} />}
      <ConfirmDialog
        open={revoking !== null}
        title={`Revoke ${revoking?.name ?? ''}?`}
        action="Revoke key"
        destructive
        onConfirm={() => revoke({ id: revoking?.id ?? '' }).unwrap()}
        onClose={() => setRevoking(null)}
      >
        Programs that use it are refused from now on. It cannot be brought back.
        {revoking === null || revoking.lastUsedAt === null ? null : (
          <> It was last used {formatInstant(revoking.lastUsedAt)}.</>
        )}
      </ConfirmDialog>
    </>
  );
}

function NewKeyDialog({ onClose, onMade }: { onClose: () => void; onMade: (key: NewApiKey) => void }) {
  const [create, { error, isLoading }] = useCreateApiKeyMutation();
  const [name, setName] = useState('');
  const [scope, setScope] = useState<KeyScope>('write');
  const [days, setDays] = useState<(typeof DAYS)[number]>('90');
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const expiresAt = days === '' ? undefined : new Date(Date.now() + Number(days) * DAY_MS).toISOString();
    const { data } = await create({ createApiKey: { name: name.trim(), scope, expiresAt } });
    if (data !== undefined) onMade(data);
  };
  return (
    <Dialog open onClose={onClose} aria-labelledby="new-key">
      <form onSubmit={submit}>
        <DialogTitle id="new-key">New API key</DialogTitle>
        <DialogContent>
          <Stack sx={{ gap: 2.5, pt: 1 }}>
            <TextField
              label="Name"
              required
              autoFocus
              value={name}
              onChange={(event) => setName(event.target.value)}
              helperText="What it is for, such as nightly scoring"
              slotProps={{ htmlInput: { maxLength: 100 } }}
            />
            <TextField select label="May" value={scope} onChange={(event) => setScope(event.target.value as KeyScope)}>
              {Object.entries(SCOPES).map(([key, label]) => (
                <MenuItem key={key} value={key}>
                  {label}
                </MenuItem>
              ))}
            </TextField>
            <TextField
              select
              label="Runs out"
              value={days}
              onChange={(event) => setDays(event.target.value as (typeof DAYS)[number])}
              slotProps={{ inputLabel: { shrink: true }, select: { displayEmpty: true } }}
            >
              {DAYS.map((each) => (
                <MenuItem key={each} value={each}>
                  {each === '' ? 'Never' : `After ${each} days`}
                </MenuItem>
              ))}
            </TextField>
            {error === undefined ? null : <ErrorView error={error} />}
          </Stack>
        </DialogContent>
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="contained" loading={isLoading}>
            Make key
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}

/** Shows the secret, the one time that anybody sees it. Closes by its button alone. */
function SecretDialog({ apiKey, onClose }: { apiKey: NewApiKey; onClose: () => void }) {
  const [copied, setCopied] = useState<'no' | 'yes' | 'refused'>('no');
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(apiKey.secret);
      setCopied('yes');
    } catch {
      setCopied('refused');
    }
  };
  return (
    <Dialog open aria-labelledby="new-secret">
      <DialogTitle id="new-secret">The key {apiKey.name}</DialogTitle>
      <DialogContent>
        <Stack sx={{ gap: 2, pt: 1 }}>
          <Alert severity="warning">Copy it now: it is shown this once and kept nowhere.</Alert>
          <TextField
            label="Secret"
            value={apiKey.secret}
            onFocus={(event) => event.target.select()}
            slotProps={{
              input: {
                readOnly: true,
                sx: { fontFamily: 'ui-monospace, monospace' },
                endAdornment: (
                  <InputAdornment position="end">
                    <Tooltip title="Copy">
                      <IconButton edge="end" aria-label="Copy the secret" onClick={() => void copy()}>
                        {copied === 'yes' ? <CheckIcon color="success" /> : <ContentCopyIcon />}
                      </IconButton>
                    </Tooltip>
                  </InputAdornment>
                ),
              },
            }}
          />
          <Typography variant="body2" role="status" color="textSecondary">
            {copied === 'yes'
              ? 'Copied.'
              : copied === 'refused'
                ? 'The browser did not let it be copied: select it and press Ctrl+C.'
                : ' '}
          </Typography>
        </Stack>
      </DialogContent>
      <DialogActions>
        <Button variant="contained" onClick={onClose}>
          I have stored it
        </Button>
      </DialogActions>
    </Dialog>
  );
}
