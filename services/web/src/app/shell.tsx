import {
  AppBar,
  Box,
  Divider,
  Drawer,
  IconButton,
  LinearProgress,
  List,
  ListItem,
  ListItemButton,
  ListItemIcon,
  ListItemText,
  Stack,
  Toolbar,
  Tooltip,
  Typography,
} from '@mui/material';
import { Suspense, useEffect, useRef, useState } from 'react';
import { NavLink, Outlet, ScrollRestoration, useLocation, useNavigate, useNavigation } from 'react-router';
import { baseApi } from '../api/base.js';
import { useLogoutMutation } from '../api/generated/clove-api.js';
import {
  BoltIcon,
  HomeIcon,
  Inventory2Icon,
  LeaderboardIcon,
  LogoutIcon,
  MenuIcon,
  ModelTrainingIcon,
  SettingsIcon,
  StorageIcon,
  WorkHistoryIcon,
} from '../components/icons.js';
import { LoadingView } from '../components/states.js';
import icon from '../icon.svg';
import { ColorModeButton } from './color-mode.js';
import { OfflineBanner } from './offline-banner.js';
import { useAppDispatch } from './store.js';
import { NAVIGATION_WIDTH } from './theme.js';

const PLACES = [
  { to: '/', label: 'Home', Icon: HomeIcon },
  { to: '/predict', label: 'Quick predict', Icon: BoltIcon },
  { to: '/datasets', label: 'Datasets', Icon: StorageIcon },
  { to: '/training', label: 'Training', Icon: ModelTrainingIcon },
  { to: '/leaderboards', label: 'Leaderboards', Icon: LeaderboardIcon },
  { to: '/models', label: 'Models', Icon: Inventory2Icon },
  { to: '/jobs', label: 'Jobs', Icon: WorkHistoryIcon },
  { to: '/settings', label: 'Settings', Icon: SettingsIcon },
] as const;

/** What stands around every page: skip link, navigation, who is signed in, the page itself. */
export function Shell({ username }: { username: string }) {
  const [open, setOpen] = useState(false);
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const navigation = useNavigation();

  const shown = useRef(pathname);
  useEffect(() => {
    setOpen(false);
    // a new page is read from its start; where the app begins, the browser does so itself
    if (shown.current !== pathname) main.current?.focus({ preventScroll: true });
    shown.current = pathname;
  }, [pathname]);

  const places = <Places username={username} />;
  return (
    <Box sx={{ display: 'flex', minHeight: '100vh' }}>
      <Box
        component="a"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
        sx={{
          position: 'fixed',
          top: 8,
          left: 8,
          zIndex: 'tooltip',
          px: 2,
          py: 1,
          borderRadius: 1,
          bgcolor: 'primary.main',
          color: 'primary.contrastText',
          transform: 'translateY(-200%)',
          '&:focus': { transform: 'none' },
        }}
      >
        Skip to the content
      </Box>
      <Box
        component="nav"
        aria-label="Main"
        className="no-print"
        sx={{ width: { md: NAVIGATION_WIDTH }, flexShrink: 0 }}
      >
        <Drawer
          variant="permanent"
          sx={{ display: { xs: 'none', md: 'block' }, '& .MuiDrawer-paper': { width: NAVIGATION_WIDTH } }}
        >
          {places}
        </Drawer>
        <Drawer
          open={open}
          onClose={() => setOpen(false)}
          sx={{ display: { md: 'none' }, '& .MuiDrawer-paper': { width: NAVIGATION_WIDTH + 24 } }}
        >
          {places}
        </Drawer>
      </Box>
      <Box sx={{ flex: 1, minWidth: 0, display: 'flex', flexDirection: 'column' }}>
        <AppBar
          position="sticky"
          color="inherit"
          elevation={0}
          className="no-print"
          sx={{ display: { md: 'none' }, borderBottom: 1, borderColor: 'divider' }}
        >
          <Toolbar variant="dense" sx={{ gap: 1 }}>
            <IconButton edge="start" aria-label="Open the navigation" onClick={() => setOpen(true)}>
              <MenuIcon />
            </IconButton>
            <Brand />
          </Toolbar>
        </AppBar>
        <OfflineBanner />
        <Box sx={{ height: 2 }} className="no-print">
          {navigation.state === 'idle' ? null : <LinearProgress aria-label="Loading the page" sx={{ height: 2 }} />}
        </Box>
        <Box
          component="main"
          id="main"
          ref={main}
          tabIndex={-1}
          sx={{
            flex: 1,
            outline: 'none',
            width: '100%',
            maxWidth: 1360,
            mx: 'auto',
            px: { xs: 2, md: 4 },
            py: { xs: 2, md: 3.5 },
          }}
        >
          <Suspense fallback={<LoadingView />}>
            <Outlet />
          </Suspense>
        </Box>
      </Box>
      <ScrollRestoration />
    </Box>
  );
}

function Brand() {
  return (
    <Stack direction="row" sx={{ gap: 1.25, alignItems: 'center' }}>
      <Box component="img" src={icon} alt="" sx={{ width: 26, height: 26 }} />
      <Typography component="span" sx={{ fontWeight: 700, fontSize: '1.0625rem', letterSpacing: '-0.01em' }}>
        Clove
      </Typography>
    </Stack>
  );
}

function Places({ username }: { username: string }) {
  const dispatch = useAppDispatch();
  const navigate = useNavigate();
  const [logout] = useLogoutMutation();
  const signOut = async () => {
    await logout({});
    await navigate('/sign-in');
    dispatch(baseApi.util.resetApiState());
  };
  return (
    <Stack sx={{ height: '100%' }}>
      <Box sx={{ px: 2.5, py: 2 }}>
        <Brand />
      </Box>
      <List component="ul" sx={{ px: 1.25, flex: 1, overflowY: 'auto' }}>
        {PLACES.map(({ to, label, Icon }) => (
          <ListItem key={to} disablePadding sx={{ mb: 0.25 }}>
            <ListItemButton
              component={NavLink}
              to={to}
              end={to === '/'}
              sx={{
                borderRadius: 1.5,
                py: 0.75,
                color: 'text.secondary',
                '&.active': {
                  bgcolor: 'rgba(var(--mui-palette-primary-mainChannel) / 0.12)',
                  color: 'text.primary',
                  '& .MuiListItemIcon-root': { color: 'primary.main' },
                },
              }}
            >
              <ListItemIcon sx={{ minWidth: 36, color: 'inherit' }}>
                <Icon fontSize="small" />
              </ListItemIcon>
              <ListItemText primary={label} slotProps={{ primary: { variant: 'body2', sx: { fontWeight: 550 } } }} />
            </ListItemButton>
          </ListItem>
        ))}
      </List>
      <Divider />
      <Stack direction="row" sx={{ alignItems: 'center', gap: 0.5, px: 2.5, py: 1.25 }}>
        <Typography variant="body2" noWrap sx={{ flex: 1 }} title={`Signed in as ${username}`}>
          {username}
        </Typography>
        <ColorModeButton />
        <Tooltip title="Sign out">
          <IconButton size="small" aria-label="Sign out" onClick={() => void signOut()}>
            <LogoutIcon fontSize="small" />
          </IconButton>
        </Tooltip>
      </Stack>
    </Stack>
  );
}
