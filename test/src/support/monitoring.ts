import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const folder = fileURLToPath(new URL('../../../deploy', import.meta.url));

/** The part of a dashboard's JSON that tests look at. */
export type Panel = {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  fieldConfig?: { defaults: { unit?: string } };
  targets?: { refId: string; expr: string }[];
};
export type Rule = {
  alert: string;
  expr: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
};

export const dashboard = JSON.parse(
  readFileSync(path.join(folder, 'monitoring/grafana/dashboards/clove.json'), 'utf8'),
) as { uid: string; title: string; panels: Panel[] };

export const rules = (
  parse(readFileSync(path.join(folder, 'monitoring/alerts.yml'), 'utf8')) as { groups: { rules: Rule[] }[] }
).groups.flatMap((group) => group.rules);

const scaling = readFileSync(path.join(folder, 'kubernetes/autoscaling.yaml'), 'utf8')
  .split('\n')
  .flatMap((line) => /^\s*query: (.*)$/.exec(line)?.[1] ?? []);

/** Every expression of the dashboard, the alerts and the autoscaling. */
export const expressions = [
  ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
  ...rules.map(({ expr }) => expr),
  ...scaling,
];

const LABELS = /\b(?:by|without|on|ignoring) *\([^)]*\)/g;

/** The metrics that an expression reads, with the labels that it speaks of. */
export const metricsOf = (expression: string): { name: string; labels: string[] }[] => {
  const found = expression.replaceAll(LABELS, '').matchAll(/\b([a-z_:][a-z0-9_:]*)\b(?!\s*\()(?:\{([^}]*)\})?/gi);
  return [...found].flatMap(([, name = '', labels = '']) =>
    /^(and|or|unless|offset|bool|inf|nan|[0-9].*|e\d+|[smhd]|__rate_interval)$/i.test(name) ||
    (!name.includes('_') && name !== 'up')
      ? []
      : [{ name, labels: [...labels.matchAll(/(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = '']) => label) }],
  );
};
