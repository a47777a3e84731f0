import type { Config } from './spec.js';

/** Light for paper and slides, dark for screens. Both hold text at a contrast of at least 4.5 and marks at 3. */
export type ThemeName = 'light' | 'dark';

/** Colours by their role. Charts name roles, never colours, so that both variants stay complete. */
export type Theme = {
  name: ThemeName;
  background: string;
  /** titles and figures */
  ink: string;
  /** subtitles, axis labels, legends */
  muted: string;
  /** reference lines: identity, random, nominal */
  reference: string;
  grid: string;
  /** areas without data in a grid of cells */
  hollow: string;
  /** Series colours, in order of use; told apart under protanopia, deuteranopia and tritanopia. */
  series: readonly [string, string, string, string, string, string, string];
  /** From few (near the background) to many; lightness alone orders them, so they survive a grey printer. */
  ramp: readonly string[];
};

const LIGHT: Theme = {
  name: 'light',
  background: '#ffffff',
  ink: '#15202e',
  muted: '#526071',
  reference: '#77869a',
  grid: '#e7ebf1',
  hollow: '#f4f6f9',
  series: ['#1f6fb4', '#d9630d', '#6c9b58', '#6a1a5a', '#a0708c', '#2b1a8c', '#8a0f1c'],
  ramp: ['#e3f1ee', '#a9d8d0', '#5fb3bd', '#2b83ae', '#1d5592', '#172a63'],
};
const DARK: Theme = {
  name: 'dark',
  background: '#0f1822',
  ink: '#eef3f8',
  muted: '#a3b1c1',
  reference: '#7f90a4',
  grid: '#22303f',
  hollow: '#16212d',
  series: ['#5aa9ec', '#f59a4c', '#aee6a0', '#9a80b0', '#dc4c4e', '#7ea98c', '#4fe8dc'],
  ramp: ['#1b3350', '#22557f', '#2d80a3', '#4fabb0', '#97d3b4', '#eef3b9'],
};

export const themeOf = (name: ThemeName): Theme => (name === 'dark' ? DARK : LIGHT);

/** Inter is what the renderer measures and draws with; a browser without it takes the next of much the same width. */
const FONT = "Inter, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif";

export const TITLE_SIZE = 18;
export const SUBTITLE_SIZE = 13;
export const LABEL_SIZE = 12;
/** px between an entry of a legend and the next, the one between symbol and label included */
export const LEGEND_GAP = 26;

/** Vega-Lite config of a theme: the only place where a chart's looks are set. */
export const configOf = (theme: Theme): Config => ({
  background: theme.background,
  font: FONT,
  // The description of the whole says it; a label on each of a thousand cells would only slow a screen reader down.
  aria: false,
  title: {
    anchor: 'start',
    frame: 'bounds',
    color: theme.ink,
    fontSize: TITLE_SIZE,
    fontWeight: 600,
    lineHeight: TITLE_SIZE * 1.3,
    subtitleColor: theme.muted,
    subtitleFontSize: SUBTITLE_SIZE,
    subtitleFontWeight: 400,
    subtitleLineHeight: SUBTITLE_SIZE * 1.4,
    subtitlePadding: 7,
    offset: 18,
  },
  view: { stroke: null },
  axis: {
    labelColor: theme.muted,
    labelFontSize: LABEL_SIZE,
    labelPadding: 8,
    labelFlush: false,
    labelOverlap: 'greedy',
    labelSeparation: 6,
    titleColor: theme.muted,
    titleFontSize: LABEL_SIZE,
    titleFontWeight: 400,
    titlePadding: 10,
    gridColor: theme.grid,
    gridWidth: 1,
    domain: false,
    ticks: false,
    tickCount: 5,
  },
  axisX: { grid: false, domain: true, domainColor: theme.reference, domainWidth: 1 },
  axisY: { titleAngle: 0, titleAlign: 'left', titleAnchor: 'end', titleX: 0, titleY: -11, titleBaseline: 'bottom' },
  legend: {
    orient: 'top',
    direction: 'horizontal',
    title: null,
    labelColor: theme.ink,
    labelFontSize: LABEL_SIZE,
    labelLimit: 0,
    titleColor: theme.muted,
    titleFontSize: LABEL_SIZE,
    titleFontWeight: 400,
    symbolSize: 190,
    symbolStrokeWidth: 2.5,
    columnPadding: LEGEND_GAP - 6,
    rowPadding: 5,
    // above the titles of vertical axes, which stand over them
    offset: 38,
  },
  header: { labelColor: theme.ink, labelFontSize: LABEL_SIZE, labelFontWeight: 600 },
  text: { color: theme.ink, fontSize: LABEL_SIZE },
  line: { strokeWidth: 2.5, strokeCap: 'round', strokeJoin: 'round' },
  range: { category: [...theme.series], ramp: [...theme.ramp], heatmap: [...theme.ramp] },
});
