import {
  Button,
  Chip,
  Dialog,
  DialogActions,
  DialogContent,
  DialogTitle,
  IconButton,
  Menu,
  MenuItem,
  Stack,
  TextField,
} from '@mui/material';
import { type FormEvent, useState } from 'react';
import {
  type Role,
  type User,
  useCreateUserMutation,
  useEndUserSessionsMutation,
  useGetMeQuery,
  useListUsersQuery,
  useUpdateUserMutation,
} from '../../api/generated/clove-api.js';
import { ConfirmDialog } from '../../components/confirm-dialog.js';
import { DataTable } from '../../components/data-table.js';
import { AddIcon, MoreVertIcon } from '../../components/icons.js';
import { Section } from '../../components/page.js';
import { useCursor } from '../../components/pager.js';
import { ErrorView } from '../../components/states.js';
import { formatSince } from '../../lib/format.js';
import { failureOf, fieldError } from '../../lib/problem.js';
import { ROLES } from './role-words.js';

type Change = { user: User; what: 'edit' | 'disable' | 'enable' | 'sessions' };

/** Users: made, given roles and passwords, disabled. For administrators. */
export function UsersTab() {
  const cursor = useCursor();
  const { data: me } = useGetMeQuery();
  const { data, error, isLoading, refetch } = useListUsersQuery({ limit: 50, cursor });
  const [update] = useUpdateUserMutation();
  const [endSessions] = useEndUserSessionsMutation();
  const [making, setMaking] = useState(false);
  const [menu, setMenu] = useState<{ anchor: HTMLElement; user: User } | null>(null);
  const [change, setChange] = useState<Change | null>(null);
  const choose = (what: Change['what']) => () => {
    if (menu !== null) setChange({ user: menu.user, what });
    setMenu(null);
  };
  const close = () => setChange(null);
  return (
    <>
      <Section
        flush
        title="Users"
        actions={
          <Button variant="contained" startIcon={<AddIcon />} onClick={() => setMaking(true)}>
            New user
          </Button>
        }
      >
        <DataTable<User>
          label="Users"
          rows={data?.items}
          loading={isLoading}
          error={error}
          onRetry={() => void refetch()}
          next={data?.next ?? null}
          phoneFields={['username', 'role', 'actions']}
          columns={[
            { field: 'username', headerName: 'User name', flex: 1, minWidth: 120 },
            { field: 'role', headerName: 'Role', width: 130, valueFormatter: (role: Role) => ROLES[role].label },
            {
              field: 'disabledAt',
              headerName: 'State',
              width: 110,
              renderCell: ({ row }) => (
                <Chip
                  size="small"
                  variant="outlined"
                  color={row.disabledAt === null ? 'success' : 'default'}
                  label={row.disabledAt === null ? 'Active' : 'Disabled'}
                />
              ),
            },
            { field: 'createdAt', headerName: 'Since', width: 140, valueFormatter: (at: string) => formatSince(at) },
            {
              field: 'actions',
              headerName: '',
              width: 60,
              sortable: false,
              renderCell: ({ row }) => (
                <IconButton
                  size="small"
                  aria-label={`Change ${row.username}`}
                  aria-haspopup="menu"
                  onClick={(event) => setMenu({ anchor: event.currentTarget, user: row })}
                >
                  <MoreVertIcon fontSize="small" />
                </IconButton>
              ),
            },
          ]}
        />
      </Section>
      <Menu anchorEl={menu?.anchor} open={menu !== null} onClose={() => setMenu(null)}>
        <MenuItem onClick={choose('edit')}>Role and password</MenuItem>
        <MenuItem onClick={choose('sessions')}>Sign out everywhere</MenuItem>
        {menu?.user.disabledAt === null ? (
          <MenuItem onClick={choose('disable')} disabled={menu.user.id === me?.id}>
            Disable
          </MenuItem>
        ) : (
          <MenuItem onClick={choose('enable')}>Enable</MenuItem>
        )}
      </Menu>
      {making ? <UserDialog onClose={() => setMaking(false)} /> : null}
      {change?.what === 'edit' ? <UserDialog user={change.user} onClose={close} /> : null}
      <ConfirmDialog
        open={change?.what === 'sessions'}
        title={`Sign ${change?.user.username ?? ''} out everywhere?`}
        action="Sign out"
        onConfirm={() => endSessions({ id: change?.user.id ?? '' }).unwrap()}
        onClose={close}
      >
        Every session of this user ends. Signing in again remains possible.
      </ConfirmDialog>
      <ConfirmDialog
        open={change?.what === 'disable'}
        title={`Disable ${change?.user.username ?? ''}?`}
        action="Disable user"
        destructive
        onConfirm={() => update({ id: change?.user.id ?? '', updateUser: { disabled: true } }).unwrap()}
        onClose={close}
      >
        The user can no longer sign in, and the API keys of the user stop working. What the user made stays.
      </ConfirmDialog>
      <ConfirmDialog
        open={change?.what === 'enable'}
        title={`Enable ${change?.user.username ?? ''}?`}
        action="Enable user"
        onConfirm={() => update({ id: change?.user.id ?? '', updateUser: { disabled: false } }).unwrap()}
        onClose={close}
      >
        The user can sign in again; API keys that were not revoked work again.
      </ConfirmDialog>
    </>
  );
}

/** Makes a user, or changes role and password of one. */
function UserDialog({ user, onClose }: { user?: User; onClose: () => void }) {
  const [create, creating] = useCreateUserMutation();
  const [update, updating] = useUpdateUserMutation();
  const [username, setUsername] = useState(user?.username ?? '');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState<Role>(user?.role ?? 'analyst');
  const error = creating.error ?? updating.error;
  const failure = error === undefined ? null : failureOf(error);
  const inFields = ['username', 'password', 'role'].some((field) => fieldError(failure, field) !== undefined);
  const submit = async (event: FormEvent) => {
    event.preventDefault();
    const answer =
      user === undefined
        ? await create({ createUser: { username: username.trim(), password, role } })
        : await update({
            id: user.id,
            updateUser: { ...(role === user.role ? {} : { role }), ...(password === '' ? {} : { password }) },
          });
    if (answer.error === undefined) onClose();
  };
  return (
    <Dialog open onClose={onClose} aria-labelledby="user-dialog">
      <form onSubmit={submit}>
        <DialogTitle id="user-dialog">{user === undefined ? 'New user' : user.username}</DialogTitle>
        <DialogContent>
          <Stack sx={{ gap: 2.5, pt: 1 }}>
            {user === undefined ? (
              <TextField
                label="User name"
                required
                autoFocus
                autoComplete="off"
                value={username}
                onChange={(event) => setUsername(event.target.value)}
                error={fieldError(failure, 'username') !== undefined}
                helperText={fieldError(failure, 'username')}
              />
            ) : null}
            <TextField
              label={user === undefined ? 'Password' : 'New password'}
              type="password"
              required={user === undefined}
              autoComplete="new-password"
              value={password}
              onChange={(event) => setPassword(event.target.value)}
              error={fieldError(failure, 'password') !== undefined}
              helperText={
                fieldError(failure, 'password') ??
                (user === undefined
                  ? 'At least 8 characters'
                  : 'Left empty: it stays. A new one ends the sessions of the user.')
              }
              slotProps={{ htmlInput: { minLength: 8 } }}
            />
            <TextField
              select
              label="Role"
              value={role}
              onChange={(event) => setRole(event.target.value as Role)}
              helperText={ROLES[role].may}
            >
              {Object.entries(ROLES).map(([key, { label }]) => (
                <MenuItem key={key} value={key}>
                  {label}
                </MenuItem>
              ))}
            </TextField>
            {failure === null || inFields ? null : <ErrorView error={error} />}
          </Stack>
        </DialogContent>
        <DialogActions>
          <Button onClick={onClose}>Cancel</Button>
          <Button type="submit" variant="contained" loading={creating.isLoading || updating.isLoading}>
            {user === undefined ? 'Make user' : 'Save'}
          </Button>
        </DialogActions>
      </form>
    </Dialog>
  );
}
