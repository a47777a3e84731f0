/**
 * Model cards: all that is known of a version as one HTML page. Needs Node, for charts are drawn without a browser.
 * @packageDocumentation
 */
export { type ModelCard, renderModelCard } from './model-card.js';
