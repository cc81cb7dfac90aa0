// A small net over the whole plane of its two inputs, layer by layer:
// x0 = A0 x + b0, a0 = σ0(x0), x1 = A1 a0 + b1, a1 = σ1(x1).

const units = 3;
const shapes = { A0: [units, 2], b0: [units, 1], A1: [1, units], b1: [1, 1] };
const digitsBelow = "₀₁₂₃₄₅₆₇₈₉";

/** Names of what the output can be differentiated by: the free parameters, then each entry. */
const atlasParameters = [
  ...greek,
  ...Object.entries(shapes).flatMap(([name, [rows, columns]]) =>
    Array.from({ length: rows * columns }, (_, i) => entryName(name, i)),
  ),
];

/** A₀ at row 1 and column 0, as `A0[1,0]`: both count from 0, as in `experiments.atlas`. */
function entryName(name, index) {
  const [, columns] = shapes[name];
  const [row, column] = [Math.floor(index / columns), index % columns];
  return name[0] === "b" ? `${name}[${row}]` : `${name}[${row},${column}]`;
}

const freeNow = () => [state.alpha, state.beta, state.gamma, state.delta];

/** All entries as numbers: {A0: […], b0: […], A1: […], b1: […]}. */
const entriesAt = (free) =>
  Object.fromEntries(
    Object.keys(shapes).map((name) => [
      name,
      state[name].map((text) => readExpression(text)(free)),
    ]),
  );

/** How each entry changes with the chosen parameter. */
function entryRates(wrt) {
  const letter = greek.indexOf(wrt);
  if (letter < 0) {
    return Object.fromEntries(
      Object.keys(shapes).map((name) => [
        name,
        state[name].map((_, i) => (entryName(name, i) === wrt ? 1 : 0)),
      ]),
    );
  }
  const moved = (by) => entriesAt(freeNow().map((value, i) => (i === letter ? value + by : value)));
  const [more, less] = [moved(1e-5), moved(-1e-5)];
  return Object.fromEntries(
    Object.keys(shapes).map((name) => [
      name,
      more[name].map((value, i) => (value - less[name][i]) / 2e-5),
    ]),
  );
}

/** The states of all layers at one image of two pixels. */
function forward(entries, first, second, [u, v]) {
  const x0 = entries.b0.map((b, i) => entries.A0[2 * i] * u + entries.A0[2 * i + 1] * v + b);
  const a0 = x0.map(first);
  const x1 = a0.reduce((sum, a, i) => sum + entries.A1[i] * a, entries.b1[0]);
  return { x0, a0, x1, a1: second(x1) };
}

/** ∂a1/∂parameter at one image, by the derivatives of the two layers' pairs. */
function sensitivity(entries, rates, first, second, image) {
  const { x0, a0, x1 } = forward(entries, first.function.value, second.function.value, image);
  const [atOutput] = report(second.derivative, [x1], [1]);
  const atHidden = report(
    first.derivative,
    x0,
    entries.A1.map((a) => a * atOutput),
  );
  let total = atOutput * rates.b1[0];
  for (let i = 0; i < units; i++) {
    total += atOutput * a0[i] * rates.A1[i];
    total +=
      atHidden[i] * (image[0] * rates.A0[2 * i] + image[1] * rates.A0[2 * i + 1] + rates.b0[i]);
  }
  return total;
}

const layerPair = (name) =>
  name === "pair" ? pairNow() : buildPair(structuredClone(known.pairs[name]));

/** Red, green and blue of a colour such as #0072B2. */
const channels = (text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16));

/**
 * Fills a canvas by a value at each pixel: blue below 0, orange above, nothing where there is none.
 * Returns their range.
 */
function drawMap(canvas, side, valueAt) {
  const values = new Float64Array(side * side);
  let [low, high] = [Infinity, -Infinity];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const value = valueAt(column, row);
      values[row * side + column] = value;
      if (!Number.isFinite(value)) continue;
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  Object.assign(canvas, { width: side, height: side });
  const pen = canvas.getContext("2d");
  const image = pen.createImageData(side, side);
  const [negative, zero, positive] = ["low", "zero", "high"].map((name) => channels(colour(name)));
  const largest = Math.max(Math.abs(low), Math.abs(high)) || 1;
  values.forEach((value, i) => {
    const share = Math.min(Math.abs(value) / largest, 1);
    const towards = value < 0 ? negative : positive;
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * i + channel] = zero[channel] + (towards[channel] - zero[channel]) * share;
    }
    image.data[4 * i + 3] = Number.isNaN(value) ? 0 : 255;
  });
  pen.putImageData(image, 0, 0);
  return low <= high ? `${formatted(low, 2)} … ${formatted(high, 2)}` : "undefined";
}

/** The maps: [id, what it is]. */
const mapNames = [
  ...[0, 1, 2].map((i) => [`x0-${i}`, `x⁽⁰⁾${digitsBelow[i + 1]}`]),
  ...[0, 1, 2].map((i) => [`a0-${i}`, `a⁽⁰⁾${digitsBelow[i + 1]}`]),
  ["x1-0", "x⁽¹⁾"],
  ["a1-0", "a⁽¹⁾, the output"],
  ["true-0", "true ∂a⁽¹⁾"],
  ["reported-0", "reported ∂a⁽¹⁾"],
];

function drawAtlas() {
  const entries = entriesAt(freeNow());
  const [first, second] = [layerPair(state.first), layerPair(state.second)];
  const { reach } = state;
  const place = (index, side) => -reach + (2 * reach * (index + 0.5)) / side;
  const size = byId("map-a1-0").clientWidth * (window.devicePixelRatio || 1);
  const side = Math.round(clamp(size, 32, 192));
  const states = [];
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      states.push(
        forward(entries, first.function.value, second.function.value, [
          place(column, side),
          -place(row, side),
        ]),
      );
    }
  }
  const rates = entryRates(state.wrt);
  const coarse = Math.min(side, 96);
  const slopes = (a, b) => (column, row) =>
    sensitivity(entries, rates, a, b, [place(column, coarse), -place(row, coarse)]);
  for (const [id, name] of mapNames) {
    const [layer, unit] = id.split("-");
    const canvas = byId(`map-${id}`);
    let range;
    if (layer === "true")
      range = drawMap(canvas, coarse, slopes(truthful(first), truthful(second)));
    else if (layer === "reported") range = drawMap(canvas, coarse, slopes(first, second));
    else {
      range = drawMap(canvas, side, (column, row) => {
        const value = states[row * side + column][layer];
        return Array.isArray(value) ? value[unit] : value;
      });
    }
    const shown = layer === "true" || layer === "reported" ? `${name}/∂${state.wrt}` : name;
    byId(`map-${id}-name`).textContent = shown;
    byId(`map-${id}-range`).textContent = range;
    canvas.setAttribute("aria-label", `Map of ${shown}, values ${range}`);
  }
}

/** The entries of a matrix: each a box for an expression, and a slider for a number. */
function matrix(name) {
  const [rows, columns] = shapes[name];
  const cells = Array.from({ length: rows * columns }, (_, i) => {
    const label = entryName(name, i);
    const box = element("input", {
      type: "text",
      "aria-label": label,
      maxlength: longestEntry,
      spellcheck: "false",
      autocapitalize: "off",
      size: 4,
    });
    const range = element("input", {
      type: "range",
      min: -3,
      max: 3,
      step: 0.05,
      "aria-label": `${label}, as a number`,
    });
    const set = (text) => {
      try {
        readExpression(text);
      } catch (error) {
        if (!(error instanceof TextError)) throw error;
        box.setAttribute("aria-invalid", "true");
        return tell(`${label}: ${error.message}`);
      }
      box.removeAttribute("aria-invalid");
      tell("");
      return change({ [name]: state[name].map((each, k) => (k === i ? text : each)) });
    };
    box.addEventListener("input", () => set(box.value.replaceAll(",", ".")));
    range.addEventListener("input", () => {
      box.value = range.value;
      set(range.value);
    });
    view([name, "alpha", "beta", "gamma", "delta"], () => {
      const text = state[name][i];
      if (document.activeElement !== box) box.value = text.replaceAll("-", "−");
      const value = readExpression(text)(freeNow());
      if (document.activeElement !== range) range.value = value;
      range.style.setProperty("--share", `${(100 * (clamp(value, -3, 3) + 3)) / 6}%`);
    });
    return element("div", { class: "entry" }, box, range);
  });
  const grid = element("div", { class: `entries across-${columns}` }, ...cells);
  return element(
    "div",
    { class: "matrix", role: "group", "aria-label": name },
    element("span", { class: "name" }, `${name[0]}${digitsBelow[name[1]]}`),
    grid,
  );
}

function setUpAtlas() {
  byId("matrices").append(...Object.keys(shapes).map(matrix));
  const pairs = ["pair", ...Object.keys(known.pairs)].map((name) => [
    name,
    name === "pair" ? "the pair above" : name,
  ]);
  byId("atlas-controls").append(
    stateSlider("alpha", "α"),
    stateSlider("beta", "β"),
    stateSlider("gamma", "γ"),
    stateSlider("delta", "δ"),
    stateSlider("reach", "inputs to ±"),
    stateMenu("first", "σ₀", pairs),
    stateMenu("second", "σ₁", pairs),
    stateMenu(
      "wrt",
      "derivative by",
      atlasParameters.map((name) => [name, name]),
    ),
  );
  for (const [id] of mapNames) {
    const [layer] = id.split("-");
    byId(`maps-${layer}`).append(
      element(
        "figure",
        {},
        element("canvas", { id: `map-${id}`, role: "img" }),
        element(
          "figcaption",
          {},
          element("span", { id: `map-${id}-name` }),
          element("span", { id: `map-${id}-range`, class: "range" }),
        ),
      ),
    );
  }
  const layers = [
    "pair",
    "A0",
    "b0",
    "A1",
    "b1",
    "alpha",
    "beta",
    "gamma",
    "delta",
    "reach",
    "first",
    "second",
    "wrt",
  ];
  view(layers, drawAtlas);
}
