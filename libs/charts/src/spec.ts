import type { TopLevelSpec } from 'vega-lite';

/** A complete Vega-Lite specification: data, looks and size included. Plain JSON; the same in Node and in a browser. */
export type ChartSpec = TopLevelSpec;
export type Config = NonNullable<TopLevelSpec['config']>;

type Without<S, K extends PropertyKey> = S extends unknown
  ? { [P in keyof S as P extends K ? never : P]: S[P] }
  : never;
/** What a chart adds to the frame. */
export type Body = Without<TopLevelSpec, 'config' | 'title' | 'background' | 'padding' | '$schema' | 'description'>;
