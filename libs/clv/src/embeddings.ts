import type { FeatureSchema } from '@clove/contracts';
import type { Network, ParamSpec } from '@clove/engine';
import * as tf from '@tensorflow/tfjs-core';
import { preparedWidth } from './feature-schema.js';

/**
 * A network whose embedded categories (see `fitSchema`) are looked up in front of it. Its input is what `prepareTensor`
 * gives, places of categories last, and whatever the network within has behind its static features.
 *
 * A place becomes a one-hot row times the matrix `embedding<n>` [categories + 1, width]. All rows start at 0, so that categories
 * begin alike and one that training never met, the unknown bucket among them, adds nothing.
 * @param make the network within, for so many static features: the others first, then the embeddings
 * @returns that network itself where nothing is embedded
 */
export const withEmbeddings = (schema: FeatureSchema, make: (staticWidth: number) => Network): Network => {
  const prepared = preparedWidth(schema);
  const tables = schema.features.flatMap((feature) =>
    feature.kind === 'categorical' && feature.embedding !== undefined
      ? [{ places: feature.categories.length + 1, width: feature.embedding }]
      : [],
  );
  const plain = prepared - tables.length;
  const inner = make(tables.reduce((sum, { width }) => sum + width, plain));
  if (tables.length === 0) return inner;
  const params = tables.map(({ places, width }, i): ParamSpec => ({
    name: `embedding${i}`,
    shape: [places, width],
    init: { type: 'zeros' },
  }));
  const rest = inner.inputWidth - tables.reduce((sum, { width }) => sum + width, plain);
  return {
    ...inner,
    name: `${inner.name}, ${tables.length} embedded`,
    inputWidth: prepared + rest,
    params: [...inner.params, ...params],
    forward(p, s, x, context) {
      const columns = (from: number, count: number): tf.Tensor2D => tf.slice(x, [0, from], [-1, count]);
      const parts = plain > 0 ? [columns(0, plain)] : [];
      tables.forEach(({ places }, i) => {
        const oneHot = tf.equal(columns(plain + i, 1), tf.tensor2d([...Array(places).keys()], [1, places]));
        parts.push(tf.matMul(tf.cast(oneHot, 'float32'), p[`embedding${i}`] as tf.Tensor2D));
      });
      if (rest > 0) parts.push(columns(prepared, rest));
      return inner.forward(p, s, tf.concat(parts, 1), context);
    },
  };
};
