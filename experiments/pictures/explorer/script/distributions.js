// What a pair does to a distribution: the inputs, the outputs, and the slopes that they meet.

/** Densities with mean 0 and standard deviation 1, and how far they reach. */
const distributions = {
  normal: { density: normalDensity, reach: 5 },
  uniform: { density: (z) => (Math.abs(z) <= Math.sqrt(3) ? 1 : 0), reach: Math.sqrt(3) },
  laplace: { density: (z) => Math.exp(-Math.SQRT2 * Math.abs(z)), reach: 9 },
  logistic: {
    density: (z) => sigmoid((z * Math.PI) / Math.sqrt(3)) * sigmoid((-z * Math.PI) / Math.sqrt(3)),
    reach: 8,
  },
  exponential: { density: (z) => (z >= -1 ? Math.exp(-z - 1) : 0), reach: 13 },
  "two peaks": {
    density: (z) =>
      normalDensity((z - 0.9) / Math.sqrt(0.19)) + normalDensity((z + 0.9) / Math.sqrt(0.19)),
    reach: 4,
  },
};

const pointsOfInput = 20000;
const bins = 61;

/** Evenly spaced inputs, each with its share of the distribution. */
function weighed({ input, mean, std }, count) {
  const { density, reach } = distributions[input];
  const z = middles(-reach, reach, count);
  const densities = z.map(density);
  const total = densities.reduce((sum, each) => sum + each, 0);
  return { x: z.map((each) => mean + std * each), weight: densities.map((each) => each / total) };
}

/** Mean and standard deviation of weighed values. */
function moments(values, weight) {
  let mean = 0;
  for (let i = 0; i < values.length; i++) mean += weight[i] * values[i];
  let variance = 0;
  for (let i = 0; i < values.length; i++) variance += weight[i] * (values[i] - mean) ** 2;
  return { mean, std: Math.sqrt(variance) };
}

/** The share of weighed values in each of the bins between two ends. */
function histogram(values, weight, [low, high]) {
  const heights = new Array(bins).fill(0);
  values.forEach((value, i) => {
    const bin = Math.floor(((value - low) / (high - low)) * bins);
    if (bin >= 0 && bin < bins) heights[bin] += weight[i];
  });
  return {
    heights,
    edges: Array.from({ length: bins + 1 }, (_, i) => low + ((high - low) * i) / bins),
  };
}

/** All that the panel says in numbers. */
function measuredDistributions(built, given) {
  const { x, weight } = weighed(given, pointsOfInput);
  const y = x.map(built.function.value);
  const fewer = weighed(given, 4000);
  const slopes = (list) => ({
    ...moments(list, fewer.weight),
    zero: list.reduce((sum, slope, i) => sum + (slope === 0 ? fewer.weight[i] : 0), 0),
  });
  return {
    x,
    y,
    weight,
    input: moments(x, weight),
    output: moments(y, weight),
    true: slopes(fewer.x.map(built.function.slope)),
    reported: slopes(reportedAt(built, fewer.x)),
  };
}

/** Ends between which all lies but a hair, around the given share of values. */
function trimmed(values, weight) {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  let [low, high, seen] = [values[order[0]], values[order[order.length - 1]], 0];
  for (const i of order) {
    seen += weight[i];
    if (seen < 0.0005) low = values[i];
    if (seen > 0.9995) {
      high = values[i];
      break;
    }
  }
  return extent([low, high]);
}

function drawHistogram(canvas, values, weight, { mean, std }, fill, xLabel) {
  const ends = trimmed(values, weight);
  const { heights, edges } = histogram(values, weight, ends);
  const axes = frame(canvas, {
    x: ends,
    y: [0, 1.08 * Math.max(...heights)],
    xLabel,
    yLabel: "share of each bin",
    percent: true,
  });
  bars(axes, edges, heights, { fill: colour(fill) });
  band(axes, [mean - std, mean + std], [0, 0], [axes.y[1], axes.y[1]], {
    fill: colour("ink"),
    opacity: 0.07,
  });
  marker(axes, mean, { stroke: colour("ink") });
  return axes;
}

function drawDistributions() {
  const found = measuredDistributions(pairNow(), state);
  const { x, y, weight, input, output } = found;
  drawHistogram(byId("input"), x, weight, input, "before", "input x");
  drawHistogram(byId("output"), y, weight, output, "after", "output F(x)");
  const said = ({ mean, std }) =>
    `mean ${formatted(round3(mean))}, standard deviation ${formatted(round3(std))}`;
  byId("input-says").textContent = said(input);
  byId("output-says").textContent = said(output);
  byId("input").setAttribute("aria-label", `Histogram of the input: ${said(input)}.`);
  byId("output").setAttribute("aria-label", `Histogram of the output: ${said(output)}.`);
  const percent = (share) => `${formatted(Number((100 * share).toFixed(1)))} %`;
  for (const name of ["true", "reported"]) {
    const { mean, std, zero } = found[name];
    byId(`${name}-mean`).textContent = formatted(round3(mean));
    byId(`${name}-std`).textContent = formatted(round3(std));
    byId(`${name}-zero`).textContent = percent(zero);
  }
}

const round3 = (x) => Number(x.toFixed(3));

function setUpDistributions() {
  byId("distribution-controls").append(
    stateMenu(
      "input",
      "input",
      Object.keys(distributions).map((name) => [name, name]),
    ),
    stateSlider("mean", "mean"),
    stateSlider("std", "std. deviation"),
  );
  view(["pair", "input", "mean", "std"], drawDistributions);
}
