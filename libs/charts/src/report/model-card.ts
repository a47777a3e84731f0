import type {
  DatasetProfile,
  EvaluationReport,
  GateResult,
  LeaderboardReport,
  LintFinding,
  Metrics,
  ModelManifest,
  Warning,
} from '@clove/contracts';
import { type NamedChart, evaluationCharts, leaderboardCharts, trainingCharts } from '../evaluation-charts.js';
import { formatAmount, formatChange, formatCount, formatNumber, formatPercent } from '../format.js';
import { renderSvg } from '../render.js';
import { type Html, drawn, html } from './html.js';
import { STYLE } from './style.js';

/** What a model card tells. What is null is left out, and where a reader would look for it the card says so. */
export type ModelCard = {
  /** of the version, such as `shop@3`, or of the model folder */
  name: string;
  manifest: ModelManifest;
  evaluation: EvaluationReport | null;
  /** of the dataset that it learned from */
  profile: DatasetProfile | null;
  /** that the version won */
  leaderboard: LeaderboardReport | null;
  gates: readonly GateResult[];
  /** when and by whom: a training and a folder know no champion, a registry judges against the one of the moment */
  judged: { at: string; by: 'training' | 'folder' | 'registry' };
  aliases?: readonly string[];
  /** code or sign of the currency of amounts; that of the profile when left out */
  currency?: string;
};

const NONE = '–';
const number = (value: number | null | undefined): string =>
  value === null || value === undefined ? NONE : formatNumber(value);
const share = (value: number | null | undefined): string =>
  value === null || value === undefined ? NONE : formatPercent(value);
const change = (value: number | null | undefined): string =>
  value === null || value === undefined ? NONE : formatChange(value);
const coefficient = (value: number | null | undefined): string =>
  value === null || value === undefined ? NONE : value.toFixed(3).replace('-', '\u2212');
const day = (instant: string | null): string => (instant === null ? NONE : instant.slice(0, 10));

type Column = { title: string; numeric?: boolean };
const table = (
  columns: readonly Column[],
  rows: readonly { cells: readonly (string | Html)[]; kind?: string }[],
): Html =>
  html`<div class="scroll">
    <table>
      <thead>
        <tr>
          ${columns.map(({ title, numeric }) => html`<th scope="col" ${numeric ? html` class="n"` : ''}>${title}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          ({ cells, kind }) =>
            html`<tr${kind === undefined ? '' : html` class="${kind}"`}>${cells.map(
              (cell, i) => html`<td${columns[i]?.numeric ? html` class="n"` : ''}>${cell}</td>`,
            )}</tr>`,
        )}
      </tbody>
    </table>
  </div>`;

const facts = (entries: readonly (readonly [string, string | Html | null])[]): Html =>
  html`<dl>
    ${entries.map(
      ([name, value]) =>
        value !== null &&
        html`<dt>${name}</dt>
          <dd>${value}</dd>`,
    )}
  </dl>`;

const section = (id: string, title: string, ...body: (Html | false | null)[]): Html =>
  html`<section id="${id}">
    <h2>${title}</h2>
    ${body}
  </section>`;

/** A chart in both themes; a style sheet shows the one that is asked for. */
const figure = async ({ chart }: NamedChart, caption: string, currency: string | undefined): Promise<Html> => {
  const options = { width: 928, ...(currency === undefined ? {} : { currency }) };
  const [light, dark] = await Promise.all([
    renderSvg(chart({ ...options, theme: 'light' })),
    renderSvg(chart({ ...options, theme: 'dark' })),
  ]);
  return html`<figure>
    <div class="light">${drawn(light)}</div>
    <div class="dark">${drawn(dark)}</div>
    <figcaption>${caption}</figcaption>
  </figure>`;
};

/** How to read each chart, in one or two sentences for someone who sees it for the first time. */
const CAPTIONS: Readonly<Record<string, string>> = {
  'decile-calibration':
    'Customers in ten groups of equal size, from the lowest to the highest prediction. The two marks of a group should be at one height: budgets per group can then be taken from the prediction.',
  gain: 'How much of all spend the customers hold whom the model puts first. The further above the diagonal, the better a campaign that can reach only a part of them.',
  tracking:
    'Repeat orders as they came and as the model expected them, from the first order day on. Its forecaster knew the orders left of the dotted line alone.',
  distribution: 'How many customers are predicted to spend how much, and how many did.',
  'predicted-actual':
    'Customers by prediction and by what they spent. Single customers scatter widely; the line of means, by tenth of the customers, should follow the diagonal.',
  residuals:
    'By how much predictions missed, from the lowest to the highest prediction. The middle should stay near 0; the bands show how uncertain single customers remain.',
  reliability:
    'Of the customers to whom the model gives a probability to buy, the share that did. Dots on the line are right.',
  pit: 'Whether the stated intervals hold as many customers as they promise.',
  'alive-by-history':
    'What the forecaster says of who still buys. Many orders long ago mean a customer lost; few orders, the last one late, a customer still there.',
  'spend-by-history': 'What the forecaster expects customers to spend in the horizon, by the same history.',
  'learning-curves':
    'Error on the rows it learned from and on held-out rows. The model of the marked epoch was kept, before it began to learn by heart.',
  leaderboard:
    'Every model and baseline on the same test rows, which none of them saw. Whiskers: one standard deviation over seeds.',
};

const METRICS: readonly {
  key: keyof Metrics;
  title: string;
  show: (value: number | null | undefined) => string;
  meaning: string;
}[] = [
  {
    key: 'normalizedGini',
    title: 'Normalized Gini',
    show: coefficient,
    meaning: 'order of the customers: 1 is perfect, 0 is chance',
  },
  { key: 'totalBias', title: 'Total bias', show: change, meaning: 'sum of predictions over sum of spend, less 1' },
  {
    key: 'decileMape',
    title: 'Decile error',
    show: share,
    meaning: 'mean error of ten equal groups in order of prediction',
  },
  { key: 'mae', title: 'MAE', show: number, meaning: 'mean error of a customer, in currency' },
  {
    key: 'rmse',
    title: 'RMSE',
    show: number,
    meaning: 'root of the mean squared error, in currency: large errors weigh more',
  },
  { key: 'wape', title: 'WAPE', show: share, meaning: 'sum of errors over sum of spend' },
  { key: 'r2', title: 'R²', show: coefficient, meaning: 'share of the variance that is explained' },
  { key: 'spearman', title: 'Spearman', show: coefficient, meaning: 'rank correlation' },
  { key: 'auc', title: 'AUC', show: coefficient, meaning: 'how well buyers are told from others: .5 is chance' },
  { key: 'brier', title: 'Brier', show: coefficient, meaning: 'mean squared error of the probability to buy' },
  { key: 'coverage80', title: '80 % intervals hold', show: share, meaning: 'share of customers inside; 80 % is right' },
];

type MetricRow = {
  name: string | Html;
  metrics: Metrics;
  sd?: Partial<Record<keyof Metrics, number | null | undefined>>;
  kind?: string;
};
/** The figures that decide, of which the spread over seeds is shown too. */
const DECISIVE: readonly (keyof Metrics)[] = ['normalizedGini', 'totalBias', 'decileMape'];
/** Figures of a ranking: a page is no wider than these; the rest is in the report's data. */
const RANKED: readonly (keyof Metrics)[] = [...DECISIVE, 'mae', 'rmse', 'wape', 'auc', 'coverage80'];

const metricsTable = (
  rows: readonly MetricRow[],
  keys: readonly (keyof Metrics)[] = METRICS.map(({ key }) => key),
): Html => {
  const shown = METRICS.filter(
    ({ key }) => keys.includes(key) && rows.some(({ metrics }) => (metrics[key] ?? null) !== null),
  );
  return table(
    [{ title: 'Model' }, ...shown.map(({ title }) => ({ title, numeric: true }))],
    rows.map(({ name, metrics, sd = {}, kind }) => ({
      ...(kind === undefined ? {} : { kind }),
      cells: [
        name,
        ...shown.map(({ key, show }) => {
          const spread = sd[key];
          return !DECISIVE.includes(key) || spread === null || spread === undefined || spread === 0
            ? show(metrics[key])
            : html`${show(metrics[key])} <small>± ${show(spread).replace('+', '')}</small>`;
        }),
      ],
    })),
  );
};

const metricLegend = (keys: readonly (keyof Metrics)[] = METRICS.map(({ key }) => key)): Html =>
  html`<p class="muted small">
    ${METRICS.filter(({ key }) => keys.includes(key))
      .map(({ title, meaning }) => `${title}: ${meaning}`)
      .join('. ')}.
  </p>`;

const GATE_TITLES: Readonly<Record<GateResult['gate'], string>> = {
  'total-bias': 'Level of the total',
  calibration: 'Level of each tenth',
  champion: 'Not worse than the champion',
  'probabilistic-baseline': 'Not worse than the best probabilistic baseline',
};

const gateFigure = ({ measure, figure }: GateResult): string =>
  measure === 'normalizedGini' ? coefficient(figure) : measure === 'totalBias' ? change(figure) : share(figure);
const gateLimit = ({ measure, limit }: GateResult): string =>
  limit === null
    ? NONE
    : measure === 'normalizedGini'
      ? `at least ${coefficient(limit)}`
      : `at most ${measure === 'totalBias' ? '±' : ''}${share(limit)}`;

const passed = (ok: boolean): Html =>
  html`<span class="badge ${ok ? 'good' : 'bad'}">${ok ? 'passed' : 'failed'}</span>`;

/** What the card says first: whether the version can be used, and each reason why not. */
const verdict = ({ gates, evaluation, leaderboard }: ModelCard): Html => {
  const findings = (severity: LintFinding['severity']) =>
    (evaluation?.lint ?? []).filter((finding) => finding.severity === severity);
  const [errors, doubts] = [findings('error'), findings('warning')];
  const say = (kind: string, badge: string, text: string, reasons: readonly string[] = []) =>
    html`<div class="verdict ${kind}">
      <span class="badge ${kind}">${badge}</span>
      <div>
        <p>${text}</p>
        ${
          reasons.length > 0 &&
          html`<ul>
            ${reasons.map((reason) => html`<li>${reason}</li>`)}
          </ul>`
        }
      </div>
    </div>`;
  if (evaluation === null)
    return say('warn', 'not evaluated', 'No test vouches for this version. Evaluate it before it is used.');
  if (errors.length > 0)
    return say(
      'bad',
      'leak: do not use',
      'What the model learned from seems to hold the answer. The figures below are not to be believed until this is explained:',
      [...errors, ...doubts].map(({ message }) => message),
    );
  const failed = gates.filter((gate) => !gate.passed);
  if (failed.length > 0)
    return say('bad', `${failed.length} of ${gates.length} gates failed`, 'This version is not fit to be champion:', [
      ...failed.map(({ message }) => message),
      ...doubts.map(({ message }) => message),
    ]);
  if (doubts.length > 0)
    return say(
      'warn',
      'the test may flatter',
      'The figures below may be better than what is to be expected:',
      doubts.map(({ message }) => message),
    );
  const claims = leaderboard?.claims ?? [];
  if (claims.length > 0)
    return say('warn', 'passes, with reservations', 'Every gate is passed, but these data cannot support all:', claims);
  return say('good', 'passes every gate', 'Level, order and calibration on the test rows are within the limits below.');
};

const tiles = ({ evaluation, currency }: ModelCard): Html | null => {
  if (evaluation === null) return null;
  const { metrics, detail, testCustomers } = evaluation;
  const tile = (title: string, figure: string, meaning: string) =>
    html`<div class="tile"><span>${title}</span><b>${figure}</b><span>${meaning}</span></div>`;
  const total = detail?.total;
  const top = detail?.topCapture.find((point) => Math.abs(point.share - 0.2) < 1e-9) ?? detail?.topCapture[0];
  return html`<div class="tiles">
    ${[
      total === undefined
        ? tile('Customers tested', formatCount(testCustomers), 'none of them seen in training as they are here')
        : tile(
            'Predicted total',
            formatAmount(total.predicted, currency),
            `${formatAmount(total.actual, currency)} came from ${formatCount(testCustomers)} customers` +
              (total.low === null || total.high === null
                ? ''
                : `; 80 % interval ${formatAmount(total.low, currency)} to ${formatAmount(total.high, currency)}`),
          ),
      tile('Total bias', change(metrics.totalBias), 'of the sum of all predictions'),
      tile('Decile error', share(metrics.decileMape), 'mean over ten groups by prediction'),
      tile('Normalized Gini', coefficient(metrics.normalizedGini), 'order of customers; 1 is perfect'),
      top === undefined || top.captured === null
        ? tile('MAE', formatAmount(metrics.mae, currency), 'mean error of a customer')
        : tile(`Top ${formatPercent(top.share)} hold`, share(top.captured), 'of all spend that came'),
      (metrics.coverage80 ?? null) === null
        ? tile('R²', coefficient(metrics.r2), 'share of variance explained')
        : tile('80 % intervals hold', share(metrics.coverage80), 'of the customers; 80 % is right'),
    ]}
  </div>`;
};

const problem = ({ manifest, profile }: ModelCard): Html =>
  manifest.horizonDays === null
    ? html`<p>
        For each customer: the value of the column “${manifest.target}”, predicted from the other columns of the table.
        The table states no horizon, so neither can the prediction.
      </p>`
    : html`<p>
        For each customer${profile?.kind === 'transactions' ? ' with an order by then' : ''}: how much will be spent in
        the <b>${manifest.horizonDays} days</b> after a day of the user’s choice. Features see only what happened up to
        that day; returns are deducted from spend.
      </p>`;

const dataSection = ({ profile, currency }: ModelCard): Html => {
  if (profile === null) return html`<p class="muted">The profile of the training data is not at hand.</p>`;
  const rejected = profile.rejectedByReason.map(({ reason, count }) => `${formatCount(count)} ${reason}`).join('; ');
  const columns = profile.columns.filter(({ role, distinct }) => role !== 'ignored' && distinct > 0).slice(0, 40);
  return html`${facts([
    ['Kind', profile.kind],
    ['Rows', formatCount(profile.rows)],
    ['Customers', formatCount(profile.customers)],
    ['Orders', profile.orders === null ? null : formatCount(profile.orders)],
    ['Time', profile.firstTime === null ? null : `${day(profile.firstTime)} to ${day(profile.lastTime)}`],
    ['Total amount', profile.totalAmount === null ? null : formatAmount(profile.totalAmount, currency)],
    ['Rejected rows', profile.rejectedRows === 0 ? 'none' : `${formatCount(profile.rejectedRows)}: ${rejected}`],
    [
      'Equal rows',
      profile.duplicateRows === 0 ? 'none' : `${formatCount(profile.duplicateRows)}, kept: they can be real purchases`,
    ],
    ['Files', profile.reading === null ? 'generated' : profile.reading.files.map(({ name }) => name).join(', ')],
  ])}${table(
    [
      { title: 'Column' },
      { title: 'Role' },
      { title: 'Type' },
      { title: 'Missing', numeric: true },
      { title: 'Distinct', numeric: true },
      { title: 'Range or most frequent' },
    ],
    columns.map((column) => ({
      cells: [
        column.name,
        column.role,
        column.type,
        column.missing === 0 ? NONE : share(column.missing / Math.max(1, profile.rows)),
        formatCount(column.distinct),
        column.categories !== null && column.categories.length > 0
          ? column.categories
              .slice(0, 3)
              .map(({ value, count }) => `${value.slice(0, 40)} (${formatCount(count)})`)
              .join(', ')
          : column.min === null || column.max === null
            ? NONE
            : `${edge(column.min)} to ${edge(column.max)}${column.mean === null ? '' : `, mean ${formatNumber(column.mean)}`}`,
      ],
    })),
  )}`;
};
const edge = (value: number | string): string =>
  typeof value === 'number' ? formatNumber(value) : value.slice(0, 24).replace(/T00:00:00.*$/, '');

const protocolSection = ({ evaluation }: ModelCard): Html => {
  if (evaluation === null) return html`<p class="muted">This version was not evaluated.</p>`;
  const { protocol, testCustomers } = evaluation;
  return html`<p>
      ${
        protocol.name === 'forward'
          ? `Forward in time: what was learned up to ${protocol.trainingOrigins.at(-1) ?? NONE} and its ${protocol.horizonDays} days is held against what customers spent in the ${protocol.horizonDays} days after ${protocol.testOrigin}. No training label reaches into the test period, and early stopping looked only at customers held out of the training origins. The test rows were read once.`
          : 'At random by customer: the test customers were drawn before anything was learned, and were read once. Early stopping looked only at other held-out customers.'
      }
    </p>
    ${facts([
      ['Protocol', protocol.name],
      ['Test origin', protocol.testOrigin],
      ['Training origins', protocol.trainingOrigins.length === 0 ? null : protocol.trainingOrigins.join(', ')],
      [
        'Rows',
        `${formatCount(protocol.trainRows)} for training, ${formatCount(protocol.validationRows)} for early stopping, ${formatCount(testCustomers)} for the test`,
      ],
      ['Seed', String(protocol.seed)],
    ])}`;
};

const rankingSection = async (card: ModelCard): Promise<Html> => {
  const { leaderboard, evaluation, manifest, currency } = card;
  if (leaderboard !== null) {
    const order = [...leaderboard.rows].toSorted(
      (a, b) =>
        Number(b.model === leaderboard.winner) - Number(a.model === leaderboard.winner) ||
        (b.metrics.normalizedGini ?? -1) - (a.metrics.normalizedGini ?? -1),
    );
    const noted = order.filter(({ note }) => note !== undefined);
    const charts = await Promise.all(
      leaderboardCharts(leaderboard).map((chart) => figure(chart, CAPTIONS[chart.name]!, currency)),
    );
    return html`<p><b>Winner: ${leaderboard.winner}.</b> ${leaderboard.rule}</p>
      ${metricsTable(
        order.map(({ model, family, metrics, sd }) => ({
          name: html`${model} <small>${family}</small>`,
          metrics,
          sd,
          ...(model === leaderboard.winner ? { kind: 'won' } : {}),
        })),
        RANKED,
      )}${metricLegend(RANKED)}${charts}${
        noted.length > 0 &&
        html`<h3>Notes on the rows</h3>
          <ul class="small">
            ${noted.map(({ model, note }) => html`<li><b>${model}</b>: ${note}</li>`)}
          </ul>`
      }${
        leaderboard.skipped.length > 0 &&
        html`<h3>Not in it</h3>
          <ul>
            ${leaderboard.skipped.map(({ model, reason }) => html`<li>${model}: ${reason}</li>`)}
          </ul>`
      }`;
  }
  if (evaluation === null) return html`<p class="muted">This version was not evaluated.</p>`;
  return html`${metricsTable([
      { name: html`${manifest.type} <small>this version</small>`, metrics: evaluation.metrics, kind: 'own' },
      ...Object.entries(evaluation.baselines).map(([name, metrics]) => ({
        name: html`${name} <small>baseline</small>`,
        metrics,
      })),
    ])}${metricLegend()}${
      Object.keys(evaluation.skippedBaselines).length > 0 &&
      html`<p class="muted">
        ${Object.entries(evaluation.skippedBaselines).map(([name, reason]) => `${name} is not shown: ${reason}. `)}
      </p>`
    }
    <p class="muted">A leaderboard of every model on these rows: <code>clove leaderboard</code>.</p>`;
};

const segmentsOf = (evaluation: EvaluationReport | null, currency: string | undefined): Html | null => {
  const segments = evaluation?.detail?.segments ?? [];
  if (segments.length === 0) return null;
  return html`<h3>By segment</h3>
    ${table(
      [
        { title: 'Segment' },
        { title: 'Customers', numeric: true },
        { title: 'Actual', numeric: true },
        { title: 'Predicted', numeric: true },
        { title: 'Bias', numeric: true },
        { title: 'Normalized Gini', numeric: true },
      ],
      segments.slice(0, 40).map((segment) => ({
        cells: [
          html`<small>${segment.column}</small> ${segment.value}`,
          formatCount(segment.rows),
          formatAmount(segment.actual, currency),
          formatAmount(segment.predicted, currency),
          change(segment.bias),
          coefficient(segment.normalizedGini),
        ],
      })),
    )}${segments.length > 40 && html`<p class="muted">${segments.length - 40} more segments are in evaluation.json.</p>`}`;
};

const SEVERITY: Readonly<Record<LintFinding['severity'], string>> = { error: 'bad', warning: 'warn', info: 'plain' };
const lintSection = (evaluation: EvaluationReport | null): Html => {
  if (evaluation === null) return html`<p class="muted">This version was not evaluated.</p>`;
  const { lint } = evaluation;
  return lint.length === 0
    ? html`<p>
        No finding: no feature alone predicts the target almost exactly, no row stands on both sides of the split, no
        label window overlaps the test, no id is a feature.
      </p>`
    : table(
        [{ title: 'Finding' }, { title: 'Severity' }, { title: 'What was seen' }],
        lint.map(({ code, severity, message }) => ({
          cells: [code, html`<span class="badge ${SEVERITY[severity]}">${severity}</span>`, message],
        })),
      );
};

/** When the gates were judged and against what, for what they say changes with the champion. */
const judgement = ({ judged, gates, aliases }: ModelCard): string => {
  const at = `${judged.at.slice(0, 16).replace('T', ' ')} UTC`;
  if (judged.by === 'training')
    return `Judged on ${at}, when the version was made, on its own test rows. Against the champion it is judged when it is to be promoted; clove report --model NAME@VERSION shows the gates as they then stand.`;
  if (judged.by === 'folder')
    return `Judged on ${at} on its own test rows; a model folder knows of no champion to hold it against.`;
  const compared = gates.some(({ gate }) => gate === 'champion');
  return `Judged on ${at}${compared ? '' : aliases?.includes('champion') ? '; this version is the champion itself' : '; there is no champion to hold it against'}.`;
};

const gatesSection = (card: ModelCard): Html => {
  const { gates } = card;
  return gates.length === 0
    ? html`<p class="muted">Without an evaluation there is nothing to judge.</p>`
    : html`<p>
          Before the alias <code>champion</code> moves to a version it must pass these, unless someone forces it, which
          is kept in the alias’s history. ${judgement(card)}
        </p>
        ${table(
          [
            { title: 'Gate' },
            { title: '' },
            { title: 'Figure', numeric: true },
            { title: 'Limit', numeric: true },
            { title: 'Why' },
          ],
          gates.map((gate) => ({
            cells: [GATE_TITLES[gate.gate], passed(gate.passed), gateFigure(gate), gateLimit(gate), gate.message],
          })),
        )}`;
};

const modelSection = ({ manifest }: ModelCard): Html => {
  const { training, options } = manifest;
  const forecasters = manifest.predictor?.forecasters ?? [];
  const members = manifest.predictor?.members ?? [];
  return html`${facts([
      ['Type', manifest.head === null ? manifest.type : `${manifest.type}, head ${manifest.head}`],
      ['Trained numbers', formatCount(manifest.parameters)],
      ['Features', String(manifest.schema.features.length)],
      ['Training rows', formatCount(training.rows)],
      [
        'Epochs',
        training.epochs.length === 0 ? null : `${training.epochs.length}, of which ${training.bestEpoch} was kept`,
      ],
      ['Optimizer', training.epochs.length === 0 || members.length > 1 ? null : optimizerOf(options)],
      ['Members', members.length === 0 ? null : members.map(({ name }) => name).join(', ')],
      [
        'Level',
        manifest.predictor?.level === undefined
          ? null
          : `× ${formatNumber(manifest.predictor.level.factor)}: ${manifest.predictor.level.reason}`,
      ],
      ['Trained on', `${training.backend}, in ${formatNumber(training.seconds)} s`],
      ['Seed', String(options.seed)],
    ])}${forecasters.map(
      (forecaster) =>
        html`<h3>
            ${forecaster.inPlaceOf === null ? forecaster.model : `${forecaster.model} in place of ${forecaster.inPlaceOf.model}: ${forecaster.inPlaceOf.reason}`}
          </h3>
          ${table(
            [{ title: 'Parameter' }, { title: 'Estimate', numeric: true }, { title: 'Standard error', numeric: true }],
            [forecaster.purchase, forecaster.spend].flatMap((fit) =>
              Object.entries(fit.parameters).map(([name, value]) => ({
                cells: [name, formatNumber(value), number(fit.standardErrors[name])],
              })),
            ),
          )}`,
    )}
    <h3>Features</h3>
    <p class="muted">${manifest.schema.features.map(({ name }) => name).join(', ')}</p>`;
};

const optimizerOf = ({ optimizer, learningRate, weightDecay, clipNorm }: ModelCard['manifest']['options']): string =>
  [
    `${optimizer === 'adamw' ? 'AdamW' : 'Adam'} at ${formatNumber(learningRate)}`,
    `weight decay ${formatNumber(weightDecay)}`,
    ...(clipNorm === undefined ? [] : [`gradients clipped to a norm of ${formatNumber(clipNorm)}`]),
  ].join(', ');

const limitsSection = ({ manifest, evaluation, leaderboard, profile }: ModelCard): Html => {
  const warnings: Warning[] = [
    ...manifest.warnings,
    ...(evaluation?.warnings ?? []),
    ...(profile?.warnings ?? []),
    ...(leaderboard?.warnings ?? []),
  ];
  const said = [...new Set(warnings.map(({ message }) => message))];
  return html`<ul>
      ${(leaderboard?.claims ?? []).map((claim) => html`<li><b>${claim}</b></li>`)}
      <li>
        A prediction is an expectation: single customers will spend more or less, many of them nothing. The interval
        says how much.
      </li>
      <li>
        The model knows what happened in the data it learned from. A change of prices, range or market that is not in
        them is not in the prediction either.
      </li>
      <li>It predicts what customers do under business as usual; it does not say what a campaign would change.</li>
      ${
        manifest.horizonDays !== null &&
        html`<li>The horizon is ${manifest.horizonDays} days. Sums over a longer time are not multiples of it.</li>`
      }
    </ul>
    ${
      said.length > 0 &&
      html`<h3>What the system remarked</h3>
        <ul>
          ${said.map((message) => html`<li>${message}</li>`)}
        </ul>`
    }`;
};

/**
 * A model card as one HTML document that loads nothing: problem, data, protocol, ranking, charts, lint, gates, limits. Every
 * text is escaped; charts are drawn in both themes. The same input gives the same bytes.
 */
export const renderModelCard = async (given: ModelCard): Promise<string> => {
  const known = given.currency ?? given.profile?.currency;
  const card: ModelCard = { ...given, ...(known === undefined ? {} : { currency: known }) };
  const { manifest, evaluation, currency } = card;
  const charts = [
    ...(evaluation === null ? [] : evaluationCharts(evaluation, manifest.type)),
    ...trainingCharts(manifest),
  ];
  const figures: Html[] = [];
  for (const chart of charts) figures.push(await figure(chart, CAPTIONS[chart.name] ?? '', currency));
  const sections: [id: string, title: string, body: Html | null][] = [
    ['problem', 'What is predicted', problem(card)],
    ['data', 'Data', dataSection(card)],
    ['protocol', 'How it was tested', protocolSection(card)],
    ['ranking', card.leaderboard === null ? 'Against the baselines' : 'Leaderboard', await rankingSection(card)],
    [
      'charts',
      'How good the predictions are',
      figures.length === 0 ? null : html`${figures}${segmentsOf(evaluation, currency)}`,
    ],
    ['gates', 'Gates', gatesSection(card)],
    ['lint', 'Leakage lint', lintSection(evaluation)],
    ['model', 'Model', modelSection(card)],
    ['limits', 'Limits', limitsSection(card)],
  ];
  const shown = sections.filter(([, , body]) => body !== null);
  const horizon = manifest.horizonDays === null ? manifest.target : `spend in the next ${manifest.horizonDays} days`;
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width,initial-scale=1" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"
        />
        <title>${card.name} · model card</title>
        <style>
          ${drawn(STYLE)}
        </style>
      </head>
      <body>
        <main>
          <header>
            <p class="kicker">Clove model card</p>
            <h1>${card.name}</h1>
            <p class="lead">
              Predicts ${horizon} for each customer, by ${article(manifest.type)} model learned from
              ${formatCount(manifest.training.rows)} rows.
              ${(card.aliases ?? []).map((alias) => html`<span class="badge plain">${alias}</span> `)}
            </p>
            ${verdict(card)}
          </header>
          ${tiles(card)}
          <nav aria-label="Sections">${shown.map(([id, title]) => html`<a href="#${id}">${title}</a>`)}</nav>
          ${shown.map(([id, title, body]) => section(id, title, body))}
          <footer>
            ${Object.entries(manifest.training.versions)
              .map(([name, version]) => `${name} ${version}`)
              .join(', ')}${Object.keys(manifest.training.versions).length > 0 && '. '}Figures
            are of the test rows unless said otherwise; shares of 1 are shown as percentages.
          </footer>
        </main>
      </body>
    </html> `;
  return page.toString();
};

const article = (type: string): string => `${/^[aeiou]/.test(type) ? 'an' : 'a'} ${type}`;
