// What is shown, and its way into the address and back. What is read from an address is checked
// against names and bounds, and only ever drawn or set as text.

const number = (low, high, start, step) => ({
  start,
  low,
  high,
  step,
  read(text) {
    const value = Number(text);
    const fits = text.trim() !== "" && low <= value && value <= high;
    if (!fits || (step === 1 && !Number.isInteger(value))) {
      throw new TextError(`must be a number from ${low} to ${high}`);
    }
    return value;
  },
});

const choice = (start, allowed) => ({
  start,
  read(text) {
    if (!allowed().includes(text))
      throw new TextError(`must be one of ${allowed().slice(0, 5).join(", ")} …`);
    return text;
  },
});

const entries = (...start) => ({
  start,
  print: (list) => list.join(","),
  read(text) {
    const list = text.split(",");
    if (list.length !== start.length) throw new TextError(`must be ${start.length} entries`);
    list.forEach(readExpression);
    return list;
  },
});

const layerNames = () => ["pair", ...Object.keys(known.pairs)];
const distributionNames = () => Object.keys(distributions);
const themes = ["auto", "light", "dark"];

/** Everything that an address can say, by its name there. */
const schema = {
  pair: {
    start: "Staircase(step=0.5) / Blurred(width=0.15)",
    read: (text) => printPair(readPair(text)),
  },
  from: number(-100, 99, -2, 0.1),
  to: number(-99, 100, 2, 0.1),
  at: number(-100, 100, 0.35, 0.01),
  input: choice("normal", distributionNames),
  mean: number(-5, 5, 0, 0.05),
  std: number(0.05, 5, 1, 0.05),
  start: number(-6, 6, -1.6, 0.05),
  target: number(-5, 5, 1, 0.05),
  rate: number(0.005, 2, 0.1, 0.005),
  momentum: number(0, 0.99, 0, 0.01),
  steps: number(1, 300, 60, 1),
  A0: entries("1", "α", "-β", "1", "γ", "-γ"),
  b0: entries("0", "0.5", "-0.5"),
  A1: entries("1", "-1", "δ"),
  b1: entries("0"),
  alpha: number(-3, 3, 0.6, 0.01),
  beta: number(-3, 3, 0.8, 0.01),
  gamma: number(-3, 3, 0.7, 0.01),
  delta: number(-3, 3, 1.2, 0.01),
  reach: number(0.5, 20, 3, 0.5),
  first: choice("pair", layerNames),
  second: choice("pair", layerNames),
  wrt: choice("α", () => atlasParameters),
  theme: choice("auto", () => themes),
};

const state = Object.fromEntries(Object.entries(schema).map(([name, { start }]) => [name, start]));

const asText = (name) => (schema[name].print ?? String)(state[name]);

/** The address's part after #: what is not as at the start. */
function address() {
  const changed = Object.keys(schema).filter(
    (name) => asText(name) !== (schema[name].print ?? String)(schema[name].start),
  );
  return changed.map((name) => `${name}=${encodeURIComponent(asText(name))}`).join("&");
}

/** Sets the state from an address; what can't be read stays as at the start, and is told. */
function readAddress(text) {
  const problems = [];
  for (const [name, { start }] of Object.entries(schema)) state[name] = start;
  for (const piece of text.replace(/^#/, "").slice(0, 8000).split("&").filter(Boolean)) {
    const [name, ...rest] = piece.split("=");
    try {
      if (!Object.hasOwn(schema, name)) throw new TextError("is unknown");
      state[name] = schema[name].read(decodeURIComponent(rest.join("=")));
    } catch (error) {
      if (!(error instanceof TextError || error instanceof URIError)) throw error;
      problems.push(`${name.slice(0, 20)}: ${error.message}`);
    }
  }
  if (state.from >= state.to) {
    problems.push("from must be below to");
    [state.from, state.to] = [schema.from.start, schema.to.start];
  }
  return problems;
}

/** @type {{keys: string[] | null, draw: () => void}[]} */
const views = [];
const stale = new Set();
let scheduled = false;

/** Calls draw soon after any of these is changed. */
const view = (keys, draw) => views.push({ keys, draw });

/** Changes the state: what shows it is drawn again, and the address follows. */
function change(changes) {
  for (const [name, value] of Object.entries(changes)) {
    state[name] = value;
    stale.add(name);
  }
  if (!scheduled) requestAnimationFrame(redraw);
  scheduled = true;
}

const redrawAll = () => change({ ...state });

function redraw() {
  scheduled = false;
  const changed = new Set(stale);
  stale.clear();
  for (const { keys, draw } of views) {
    if (!keys || keys.some((key) => changed.has(key))) draw();
  }
  const hash = `#${address()}`;
  if (hash !== (location.hash || "#")) history.replaceState(null, "", hash);
}

/** The pair that is shown, as it is computed with; built anew when its text is another. */
const current = {
  text: "",
  /** @type {Pair} */ nodes: null,
  /** @type {Built} */ built: null,
  problem: "",
};

function pairNow() {
  if (current.text !== state.pair) {
    const nodes = readPair(state.pair);
    Object.assign(current, { text: state.pair, nodes, problem: "" });
    try {
      current.built = buildPair(nodes);
    } catch (error) {
      // The library refuses it too: what is left is the function.
      current.problem = error.message;
      const computed = buildFunction(nodes.function);
      current.built = { function: computed, derivative: { slope: () => NaN } };
    }
  }
  return current.built;
}
