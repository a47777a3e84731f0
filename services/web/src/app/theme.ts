import { createTheme } from '@mui/material/styles';

/** Colours are those of `libs/charts`, so that a chart stands on a card without an edge. */
const LIGHT = {
  primary: { main: '#1d5f9e', dark: '#174c7f', light: '#e4eff9' },
  secondary: { main: '#526071' },
  success: { main: '#1e7a4c' },
  warning: { main: '#9a5b00' },
  error: { main: '#b3261e' },
  info: { main: '#1d5f9e' },
  background: { default: '#f5f7fa', paper: '#ffffff' },
  text: { primary: '#15202e', secondary: '#526071' },
  divider: '#dfe5ec',
};
const DARK = {
  primary: { main: '#7db9f0', dark: '#5aa9ec', light: '#1b3350' },
  secondary: { main: '#a3b1c1' },
  success: { main: '#6fcf97' },
  warning: { main: '#f2b366' },
  error: { main: '#f28b82' },
  info: { main: '#7db9f0' },
  background: { default: '#0a1119', paper: '#0f1822' },
  text: { primary: '#eef3f8', secondary: '#a3b1c1' },
  divider: '#243343',
};

/** Width in px of the navigation where it always stands. */
export const NAVIGATION_WIDTH = 232;

/** The look of the app. Light or dark by the system, or by the user's choice, which the browser keeps. */
export const theme = createTheme({
  cssVariables: { colorSchemeSelector: 'data-color-scheme' },
  colorSchemes: { light: { palette: LIGHT }, dark: { palette: DARK } },
  shape: { borderRadius: 8 },
  typography: {
    fontFamily: "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif",
    fontSize: 14,
    h1: { fontSize: '1.5rem', fontWeight: 650, lineHeight: 1.3, letterSpacing: '-0.015em' },
    h2: { fontSize: '1.0625rem', fontWeight: 600, lineHeight: 1.4, letterSpacing: '-0.005em' },
    h3: { fontSize: '0.9375rem', fontWeight: 600, lineHeight: 1.4 },
    body1: { fontSize: '0.9375rem', lineHeight: 1.55 },
    body2: { fontSize: '0.875rem', lineHeight: 1.5 },
    caption: { fontSize: '0.8125rem', lineHeight: 1.45 },
    button: { textTransform: 'none', fontWeight: 600, letterSpacing: 0 },
  },
  components: {
    MuiCssBaseline: {
      styleOverrides: {
        body: { fontFeatureSettings: "'cv11', 'ss03'", WebkitFontSmoothing: 'antialiased' },
        '@media (prefers-reduced-motion: reduce)': {
          '*, *::before, *::after': {
            animationDuration: '0.01ms !important',
            animationIterationCount: '1 !important',
            transitionDuration: '0s !important',
          },
        },
      },
    },
    MuiButton: { defaultProps: { disableElevation: true } },
    // dark surfaces are told apart by their edge, not by a lighter shade
    MuiPaper: { defaultProps: { elevation: 0 }, styleOverrides: { root: { backgroundImage: 'none' } } },
    MuiCard: {
      defaultProps: { variant: 'outlined' },
      styleOverrides: { root: ({ theme }) => ({ borderColor: theme.vars.palette.divider }) },
    },
    MuiTab: { styleOverrides: { root: { minWidth: 0, paddingInline: 14 } } },
    MuiTooltip: { defaultProps: { arrow: true } },
    MuiTextField: { defaultProps: { size: 'small' } },
    MuiFormControl: { defaultProps: { size: 'small' } },
    MuiChip: { styleOverrides: { root: { fontWeight: 550 } } },
    MuiTableCell: {
      styleOverrides: {
        head: { fontWeight: 600 },
        // the outer columns end where the card's heading does
        root: { '&:first-of-type': { paddingLeft: 20 }, '&:last-of-type': { paddingRight: 20 } },
      },
    },
    MuiAlert: { styleOverrides: { root: { alignItems: 'flex-start' } } },
    MuiLink: { defaultProps: { underline: 'always' } },
    MuiDialog: { defaultProps: { fullWidth: true, maxWidth: 'sm' } },
  },
});
