// The derivative of a function that is blurred by a kernel, for any function at all.

/**
 * An even density of area 1, for width 1.
 * @typedef {object} Kernel
 * @property {(v: number) => number} density
 * @property {number} reach  beyond it the density is too small to be seen
 * @property {number} cells  into which a unit is cut; more if the density has corners
 * @property {boolean} [smooth]  whether it has no corners
 */

/** @type {Record<string, Kernel>} */
const kernels = {
  gaussian: { density: normalDensity, reach: 6, cells: 16, smooth: true },
  triangle: { density: (v) => Math.max(0, 1 - Math.abs(v)), reach: 1, cells: 64 },
  logistic: { density: (v) => sigmoid(v) * sigmoid(-v), reach: 18, cells: 16, smooth: true },
  box: { density: (v) => (Math.abs(v) < 0.5 ? 1 : 0), reach: 0.5, cells: 1 },
};

/**
 * x ↦ (F ∗ k)'(x): the rises of F, each weighed by the kernel's density where it is.
 *
 * The line is cut into cells. Where F rises evenly within a cell its rise counts at the middle;
 * where it does not, as at a jump, the cell is cut in two, and so on. What is found is kept, so
 * that each cell is looked at once.
 */
function blurredSlope(value, kernel, width) {
  if (kernel === kernels.box) {
    return (x) => (value(x + width / 2) - value(x - width / 2)) / width;
  }
  const cell = width / kernel.cells;
  const reach = kernel.reach * width;
  const within = Math.ceil(2 * kernel.reach * kernel.cells);
  const uneven = 1e-4 * Math.min(1, width);
  /** @type {Map<number, number[]>} for each cell the places and rises in it, in turn */
  const found = new Map();

  const collect = (rises, left, right, atLeft, atRight, depth) => {
    const middle = (left + right) / 2;
    const atMiddle = value(middle);
    const [first, second] = [atMiddle - atLeft, atRight - atMiddle];
    if (depth > 0 && !(Math.abs(first - second) <= uneven)) {
      collect(rises, left, middle, atLeft, atMiddle, depth - 1);
      collect(rises, middle, right, atMiddle, atRight, depth - 1);
    } else if (atRight !== atLeft) {
      rises.push(middle, atRight - atLeft);
    }
  };

  const risesIn = (index) => {
    let rises = found.get(index);
    if (!rises) {
      const [left, right] = [index * cell, (index + 1) * cell];
      rises = [];
      collect(rises, left, right, value(left), value(right), 12);
      found.set(index, rises);
    }
    return rises;
  };

  const slopeAt = (x) => {
    let slope = 0;
    const first = Math.floor((x - reach) / cell);
    // Counted: far out a cell more is the same number.
    for (let step = 0; step <= within; step++) {
      const rises = risesIn(first + step);
      for (let i = 0; i < rises.length; i += 2) {
        slope += rises[i + 1] * kernel.density((x - rises[i]) / width);
      }
    }
    return slope / width;
  };
  return kernel.smooth ? tabulated(slopeAt, cell) : slopeAt;
}

/**
 * The same, looked up: a cubic through four places of a grid, each of which is computed once. For
 * what is smooth, of which it misses 1e-6 at a grid of a sixteenth of a standard deviation.
 */
function tabulated(formula, distance) {
  /** @type {Map<number, number>} */
  const found = new Map();
  const node = (index) => {
    let value = found.get(index);
    if (value === undefined) found.set(index, (value = formula(index * distance)));
    return value;
  };
  return (x) => {
    const index = Math.floor(x / distance);
    const t = x / distance - index;
    const [before, left, right, after] = [-1, 0, 1, 2].map((step) => node(index + step));
    const [first, second] = [(t * (1 - t) * (2 - t)) / 6, (t * (1 - t) * (1 + t)) / 6];
    const bend = first * (before - 2 * left + right) + second * (left - 2 * right + after);
    return left * (1 - t) + right * t - bend;
  };
}
