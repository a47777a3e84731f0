import { EngineError } from './errors.js';
import { FEATURES, PREDICTION } from './export.js';
import { encodeModel, type Initializer, ML_DOMAIN, type Node } from './onnx.js';
import { floats } from './training-graph.js';

/**
 * Regression trees whose leaves add up: the score of a row is `base` and the value of its leaf in each tree. Nodes as parallel
 * arrays, the first the root. An inner node has `feature` ≥ 0 and sends a row left where that feature is ≤ `threshold`, or
 * where it is NaN and `missingLeft` is 1; a leaf has `feature` -1. The prediction is the score for the loss `squared`, else
 * its exponential.
 */
export type TreeEnsemble = {
  loss: 'squared' | 'poisson' | 'tweedie';
  base: number;
  features: number;
  trees: readonly {
    feature: ArrayLike<number>;
    threshold: ArrayLike<number>;
    missingLeft: ArrayLike<number>;
    left: ArrayLike<number>;
    right: ArrayLike<number>;
    value: ArrayLike<number>;
  }[];
};

/**
 * Trees as a standard ONNX file with a TreeEnsembleRegressor: input `features` [N, width], output `prediction` [N, 1], any
 * number of rows. The same arguments give the same bytes.
 * @param o.last what a further last column of the input does: `added` to the score (an offset), or `multiplied` with the
 *   exponential (a forecast in the unit of the prediction, 0 included); no such column when left out
 * @param o.metadata texts that travel in the file
 * @throws EngineError `size-mismatch` where a tree asks for a feature that is none; `unsupported-op` for a product with the
 *   score of the loss `squared`
 */
export function treesOnnx(
  ensemble: TreeEnsemble,
  o: { last?: 'added' | 'multiplied'; metadata?: Record<string, string> } = {},
): Uint8Array {
  const exponential = ensemble.loss !== 'squared';
  if (o.last === 'multiplied' && !exponential)
    throw new EngineError('unsupported-op', 'Trees of the loss "squared" learn no multiplier of a last column.');
  const nodes: Node[] = [];
  const initializers: Initializer[] = [];
  const step = (op: string, inputs: readonly string[], attributes: Node['attributes'] = {}): string => {
    const output = op.toLowerCase();
    nodes.push({ op, inputs, outputs: [output], attributes });
    return output;
  };
  nodes.push({
    op: 'TreeEnsembleRegressor',
    domain: ML_DOMAIN,
    inputs: [FEATURES],
    outputs: ['score'],
    attributes: attributesOf(ensemble),
  });
  let value = 'score';
  if (o.last !== undefined) {
    initializers.push({
      name: 'last',
      type: 'int64',
      shape: [1],
      bytes: new Uint8Array(BigInt64Array.of(BigInt(ensemble.features)).buffer),
    });
    step('Gather', [FEATURES, 'last'], { axis: { int: 1 } });
  }
  if (o.last === 'added') value = step('Add', [value, 'gather']);
  if (exponential) value = step('Exp', [value]);
  if (o.last === 'multiplied') value = step('Mul', [value, 'gather']);
  nodes.push({ op: 'Identity', inputs: [value], outputs: [PREDICTION], attributes: {} });
  return encodeModel(
    {
      name: 'trees',
      nodes,
      initializers,
      inputs: [floats(FEATURES, 'N', ensemble.features + (o.last === undefined ? 0 : 1))],
      outputs: [floats(PREDICTION, 'N', 1)],
    },
    o.metadata,
  );
}

/** The operator's node and leaf tables: one row a node, tree by tree. */
function attributesOf({ base, features, trees }: TreeEnsemble): Node['attributes'] {
  const tree: number[] = [];
  const id: number[] = [];
  const feature: number[] = [];
  const mode: string[] = [];
  const threshold: number[] = [];
  const left: number[] = [];
  const right: number[] = [];
  const missingLeft: number[] = [];
  const leaf = { tree: [] as number[], id: [] as number[], value: [] as number[] };
  // The operator wants at least one node.
  const written = trees.length > 0 ? trees : [STUMP];
  for (const [t, nodes] of written.entries()) {
    for (let node = 0; node < nodes.feature.length; node += 1) {
      const isLeaf = nodes.feature[node]! < 0;
      if (nodes.feature[node]! >= features) {
        throw new EngineError(
          'size-mismatch',
          `Tree ${t + 1} asks for feature ${nodes.feature[node]! + 1}, and there are ${features}.`,
        );
      }
      tree.push(t);
      id.push(node);
      mode.push(isLeaf ? 'LEAF' : 'BRANCH_LEQ');
      feature.push(isLeaf ? 0 : nodes.feature[node]!);
      threshold.push(isLeaf ? 0 : nodes.threshold[node]!);
      left.push(isLeaf ? 0 : nodes.left[node]!);
      right.push(isLeaf ? 0 : nodes.right[node]!);
      missingLeft.push(isLeaf ? 0 : nodes.missingLeft[node]!);
      if (!isLeaf) continue;
      leaf.tree.push(t);
      leaf.id.push(node);
      leaf.value.push(nodes.value[node]!);
    }
  }
  return {
    aggregate_function: { string: 'SUM' },
    post_transform: { string: 'NONE' },
    n_targets: { int: 1 },
    base_values: { floats: [base] },
    nodes_treeids: { ints: tree },
    nodes_nodeids: { ints: id },
    nodes_featureids: { ints: feature },
    nodes_modes: { strings: mode },
    nodes_values: { floats: threshold },
    nodes_truenodeids: { ints: left },
    nodes_falsenodeids: { ints: right },
    nodes_missing_value_tracks_true: { ints: missingLeft },
    target_treeids: { ints: leaf.tree },
    target_nodeids: { ints: leaf.id },
    target_ids: { ints: leaf.id.map(() => 0) },
    target_weights: { floats: leaf.value },
  };
}

/** A tree that adds nothing. */
const STUMP = { feature: [-1], threshold: [0], missingLeft: [0], left: [0], right: [0], value: [0] };
