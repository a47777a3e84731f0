/** Vega in the browser: loaded with the first chart, never before. */
import type { ChartSpec } from '@clove/charts';
import { type Spec, View, loader, parse } from 'vega';
import { expressionInterpreter } from 'vega-interpreter';
import { compile } from 'vega-lite';

/** A chart carries its data; nothing is ever loaded from elsewhere. */
const closedLoader = () => ({
  ...loader(),
  load: (uri: string) => Promise.reject(new Error(`A chart may not load "${uri}".`)),
});

/** Expressions are interpreted, not compiled: the page's content security policy allows no `eval`. */
const viewOf = async (spec: ChartSpec, renderer: 'svg' | 'none'): Promise<View> => {
  // texts are measured, so the font has to be there before
  await Promise.all([document.fonts.load('400 12px Inter'), document.fonts.load('600 12px Inter')]);
  const vega: Spec = compile(spec).spec;
  return new View(parse(vega, undefined, { ast: true }), {
    renderer,
    loader: closedLoader(),
    expr: expressionInterpreter,
  });
};

/** Draws a chart into an element, scaled to its width; returns what takes it away. */
export const show = async (spec: ChartSpec, element: HTMLElement): Promise<() => void> => {
  const view = await viewOf(spec, 'svg');
  view.initialize(element);
  await view.runAsync();
  // what stands around the chart says what it shows; its marks have no names of their own
  element.querySelector('svg')?.setAttribute('aria-hidden', 'true');
  return () => {
    view.finalize();
    element.replaceChildren();
  };
};

/** A chart as an SVG document. Text stays text. */
export const toSvg = async (spec: ChartSpec): Promise<Blob> => {
  const view = await viewOf(spec, 'none');
  try {
    return new Blob([await view.toSVG()], { type: 'image/svg+xml' });
  } finally {
    view.finalize();
  }
};

/** A chart as a PNG with `scale` pixels a px. */
export const toPng = async (spec: ChartSpec, scale: number): Promise<Blob> => {
  const view = await viewOf(spec, 'none');
  try {
    const canvas = (await view.toCanvas(scale)) as unknown as HTMLCanvasElement;
    return await new Promise((resolve, reject) =>
      canvas.toBlob(
        (blob) => (blob === null ? reject(new Error('The browser could not make a PNG.')) : resolve(blob)),
        'image/png',
      ),
    );
  } finally {
    view.finalize();
  }
};
