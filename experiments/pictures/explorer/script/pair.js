// Nodes to what can be computed; what has no twin here was sampled by Python.

/** @returns {Elementwise} */
function buildFunction(node) {
  const make = own(functions, node.name);
  if (make) return make(builtArguments(node, null));
  const { x, value, slope } = known.samples.functions[node.name];
  return { value: interpolated(x, value), slope: interpolated(x, slope) };
}

/** @returns {Derivative} */
function buildDerivative(node, ownFunction) {
  const make = own(derivatives, node.name);
  if (make) return make(builtArguments(node, ownFunction), ownFunction);
  const { x, up, down, linear, pointwise } = known.samples.derivatives[node.name];
  const [rising, falling] = [interpolated(x, up), interpolated(x, down)];
  if (pointwise) return { slope: rising };
  const reported = (at, gradient) =>
    gradient > 0 ? gradient * rising(at) : -gradient * falling(at);
  return { rule: (list, gradients) => list.map((at, i) => reported(at, gradients[i])), linear };
}

function builtArguments(node, ownFunction) {
  const built = {};
  for (const { name, kind } of aboutOf(node).parameters) {
    const value = node.arguments[name];
    if (value === null) built[name] = null;
    else if (kind === "function") built[name] = buildFunction(value);
    else if (isDerivative(kind)) built[name] = buildDerivative(value, ownFunction);
    else built[name] = settled(value);
  }
  return built;
}

/** Straight lines between samples at even distances [from, to]; outside, the ends. */
function interpolated([from, to], values) {
  const last = values.length - 1;
  return (x) => {
    const place = clamp(((x - from) / (to - from)) * last, 0, last);
    const left = Math.min(Math.floor(place), last - 1);
    return values[left] + (values[left + 1] - values[left]) * (place - left);
  };
}

/**
 * A pair as it is computed with.
 * @typedef {object} Built
 * @property {Elementwise} function
 * @property {Derivative} derivative
 */

/** @param {Pair} pair  @returns {Built} */
function buildPair(pair) {
  const computed = buildFunction(pair.function);
  return { function: computed, derivative: buildDerivative(pair.derivative, computed) };
}

/** The same with its true derivative. */
const truthful = (built) => ({
  function: built.function,
  derivative: { slope: built.function.slope },
});

/** The gradients that a pair reports at x for one upstream gradient. */
const reportedAt = (built, x, gradient = 1) =>
  report(
    built.derivative,
    x,
    x.map(() => gradient),
  );

/** Whether a node or a part of it has no formula here, and was sampled. */
const isSampled = (node) =>
  isNode(node) &&
  (!own({ functions, derivatives }[node.of], node.name) ||
    Object.values(node.arguments).some(isSampled));
