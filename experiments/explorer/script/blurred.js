// The derivative of a function that is blurred by a kernel, for any function at all.

/**
 * An even density of area 1, for width 1.
 * @typedef {object} Kernel
 * @property {(v: number) => number} density
 * @property {number} reach  beyond it the density is too small to be seen
 * @property {number} cells  into which a unit is cut; more if the density has corners
 */

/** @type {Record<string, Kernel>} */
const kernels = {
  gaussian: { density: normalDensity, reach: 6, cells: 16 },
  triangle: { density: (v) => Math.max(0, 1 - Math.abs(v)), reach: 1, cells: 64 },
  logistic: { density: (v) => sigmoid(v) * sigmoid(-v), reach: 18, cells: 16 },
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

  return (x) => {
    let slope = 0;
    const last = Math.floor((x + reach) / cell);
    for (let index = Math.floor((x - reach) / cell); index <= last; index++) {
      const rises = risesIn(index);
      for (let i = 0; i < rises.length; i += 2) {
        slope += rises[i + 1] * kernel.density((x - rises[i]) / width);
      }
    }
    return slope / width;
  };
}
