import { CloveError } from '@clove/contracts';
import { formatCount } from './format.js';
import type { Body, ChartSpec } from './spec.js';
import { SUBTITLE_SIZE, type Theme, type ThemeName, TITLE_SIZE, configOf, themeOf } from './theme.js';
import { wrap } from './text.js';

/** What every chart function takes beside its data. */
export type ChartOptions = {
  /** `light` when left out */
  theme?: ThemeName;
  /** of the whole picture, in px: 400 to 4000, 640 when left out */
  width?: number;
  /** of the whole picture, in px: 200 to 4000; chosen by the chart when left out */
  height?: number;
  /** in place of the chart's own title */
  title?: string;
  /** in place of the chart's own subtitle */
  subtitle?: string;
  /** code (`USD`) or sign (`€`) of the currency of amounts */
  currency?: string;
};

/** Options with everything decided that does not depend on the data. */
export type Frame = { theme: Theme; width: number; height: number; options: ChartOptions };

export const MARGIN = { left: 22, top: 20, right: 26, bottom: 18 } as const;

const sizeOf = (name: string, value: number | undefined, fallback: number, least: number): number => {
  if (value === undefined) return fallback;
  if (!(value >= least && value <= 4000)) {
    throw new CloveError('invalid-input', `The ${name} of a chart is ${value}; it must be ${least} to 4000 px.`);
  }
  return Math.round(value);
};

/** @throws CloveError `invalid-input` for a size out of bounds */
export const frameOf = (options: ChartOptions, height: number): Frame => ({
  theme: themeOf(options.theme ?? 'light'),
  width: sizeOf('width', options.width, 640, 400),
  height: sizeOf('height', options.height, height, 200),
  options,
});

/** What stands above a chart: `subtitle` is one sentence or more of finding and units. `omitted`: rows left out as not numbers. */
export type Heading = { title: string; subtitle: string; omitted?: number };

/** Title and subtitle as lines, and the height in px that they take with the space below them. */
export const headingOf = (frame: Frame, heading: Heading): { title: string[]; subtitle: string[]; height: number } => {
  const space = frame.width - MARGIN.left - MARGIN.right;
  const omitted = heading.omitted ?? 0;
  const note =
    omitted === 0 ? '' : ` ${formatCount(omitted)} ${omitted === 1 ? 'row' : 'rows'} without a number left out.`;
  const title = wrap(frame.options.title ?? heading.title, space, TITLE_SIZE);
  const subtitle = wrap((frame.options.subtitle ?? heading.subtitle) + note, space, SUBTITLE_SIZE);
  return {
    title,
    subtitle,
    height: Math.ceil(title.length * TITLE_SIZE * 1.3 + subtitle.length * SUBTITLE_SIZE * 1.4 + 7 + 18),
  };
};

/** Puts title, looks and margins around a chart. Its text alternative is title and subtitle. */
export const framed = (frame: Frame, heading: Heading, body: Body): ChartSpec => {
  const { title, subtitle } = headingOf(frame, heading);
  return {
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    description: [...title, ...subtitle].join(' '),
    background: frame.theme.background,
    padding: { ...MARGIN },
    title: { text: title, subtitle },
    config: configOf(frame.theme),
    ...body,
  } as ChartSpec;
};

/** Size of a chart of one view, such that the whole picture has the size of the frame. */
export const single = (frame: Frame) =>
  ({ width: frame.width, height: frame.height, autosize: { type: 'fit', contains: 'padding' } }) as const;

/** What a chart shows in place of nothing: its title, and that there is no data. */
export const emptyChart = (frame: Frame, heading: Heading): ChartSpec =>
  framed(frame, heading, {
    ...single(frame),
    data: { values: [{}] },
    mark: { type: 'text', text: 'No data', fontSize: 16, color: frame.theme.muted },
  });
