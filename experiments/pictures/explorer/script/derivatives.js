// What is reported: the twins of surrogate/derivatives. Each takes the arguments of its Python
// namesake, with its own parts built already, and the pair's function.

/**
 * A derivative that is pointwise has a slope, any other one a rule for all of a tensor.
 * @typedef {object} Derivative
 * @property {(x: number) => number} [slope]
 * @property {(x: number[], gradient: number[]) => number[]} [rule]
 * @property {boolean} [linear]   whether the rule is, in the upstream gradient
 * @property {number} [area]      ∫ slope, if it is known in closed form
 * @property {number} [peak]      the largest |slope|
 * @property {boolean} [noisy]
 */

/** @type {Record<string, (given: any, own: Elementwise) => Derivative>} */
const derivatives = {};

/** The reported gradient at each x for the upstream gradients. */
function report(derivative, x, gradient) {
  if (derivative.rule) return derivative.rule(x, gradient);
  return x.map((each, i) => gradient[i] * derivative.slope(each));
}

const noisy = (...parts) => parts.some((part) => part && part.noisy);
const isLinear = (derivative) => Boolean(derivative.slope || derivative.linear);

/**
 * What `combine` makes of what the parts report at `inward(x)`: pointwise, or linear, if all of
 * them are.
 * @returns {Derivative}
 */
function combination(parts, combine, inward = (x) => x) {
  const about = { noisy: noisy(...parts) };
  if (parts.every((part) => part.slope)) {
    const slope = (x) => combine(parts.map((part) => part.slope(inward(x))), x);
    return { ...about, slope };
  }
  const rule = (x, gradient) => {
    const at = x.map(inward);
    const reported = parts.map((part) => report(part, at, gradient));
    return x.map((each, i) => combine(reported.map((list) => list[i]), each));
  };
  return { ...about, rule, linear: parts.every(isLinear) };
}

// The true ones, and simple shapes

derivatives.Exact = (_, own) => ({ slope: own.slope });

derivatives.DerivativeOf = (given) => ({ slope: given.function.slope });

derivatives.Constant = ({ value }) => ({
  slope: () => value,
  area: Infinity,
  peak: Math.abs(value),
});

derivatives.Box = ({ left, right, height, outside, closed }) => {
  const [withLeft, withRight] = [
    closed === true || closed === "left",
    closed === true || closed === "right",
  ];
  const inside = (x) =>
    (x > left || (withLeft && x === left)) && (x < right || (withRight && x === right));
  return {
    slope: (x) => (inside(x) ? height : outside),
    area: outside === 0 ? (right - left) * height : Infinity,
    peak: Math.abs(height) >= Math.abs(outside) ? height : outside,
  };
};

// Of a vector, whose means are over no other dimension.
derivatives.MeanMagnitude = () => ({ slope: Math.abs });

// Bells

/** slope(x) = height · shape(x / width). */
const bell = (shape, unitArea, { width, height }) => ({
  slope: (x) => height * shape(x / width),
  area: unitArea * width * height,
  peak: height,
});

derivatives.Gaussian = (given) =>
  bell((v) => Math.exp(-0.5 * v * v), Math.sqrt(2 * Math.PI), given);

derivatives.Logistic = (given) => bell((v) => 4 * sigmoid(v) * sigmoid(-v), 4, given);

derivatives.Cauchy = (given) => ({
  ...bell((v) => (1 + v * v) ** -given.power, 0, given),
  area: given.power > 0.5 ? undefined : Infinity,
});

derivatives.FastSigmoid = (given) =>
  bell(
    (v) => (1 + Math.abs(v)) ** -given.power,
    given.power > 1 ? 2 / (given.power - 1) : Infinity,
    given,
  );

derivatives.Triangle = (given) => bell((v) => Math.max(0, 1 - Math.abs(v)), 1, given);

derivatives.Laplace = (given) => bell((v) => Math.exp(-Math.abs(v)), 2, given);

derivatives.Hyperbola = (given) => bell((v) => 1 / Math.max(1, Math.abs(v)), Infinity, given);

derivatives.PeriodicLaplace = (given) => ({
  ...bell(
    (v) => Math.exp((-Math.abs(phase(v * given.width, given.period)) * given.period) / given.width),
    Infinity,
    given,
  ),
});

derivatives.SwishSign = ({ beta }) => ({
  slope: (x) => {
    const u = beta * x;
    return 2 * beta * sigmoid(u) * sigmoid(-u) * (2 - u * Math.tanh(u / 2));
  },
  area: 2,
  peak: beta,
});

derivatives.Cosines = ({ period, terms, height }) => ({
  slope: (x) => {
    let total = 0;
    for (let odd = 1; odd < 2 * terms; odd += 2) {
      total += Math.cos((odd * 2 * Math.PI * x) / period);
    }
    return height * total;
  },
  area: Infinity,
  peak: terms * height,
});

// Blurred and perturbed functions; the convolution is in blurred.js

/** The function. Throws if it can't be evaluated at other places for each element by itself. */
function requireElementwise(given, owner) {
  if (given.elementwise === false) {
    throw new Error(`${owner} evaluates the function at other places, but it is not elementwise`);
  }
  return given;
}

derivatives.Blurred = ({ function: given, width, kernel }, own) => {
  const { value } = requireElementwise(given ?? own, "Blurred");
  return { slope: blurredSlope(value, kernels[kernel], width) };
};

derivatives.Perturbed = ({ function: given, width, samples, seed }, own) => {
  const { value } = requireElementwise(given ?? own, "Perturbed");
  return {
    slope: (x) => {
      let total = 0;
      for (let stream = 0; stream < samples; stream++) {
        const normal = normalField(x, mixed(seed ^ 0x85ebca6b) ^ stream);
        total += normal * (value(x + width * normal) - value(x - width * normal));
      }
      return total / (2 * width * samples);
    },
    noisy: true,
  };
};

// Noise

derivatives.Noisy = ({ derivative, std, at, seed }) => {
  const noise = (x) => std * normalField(x, seed);
  const combined =
    at === "input"
      ? combination([derivative], ([slope]) => slope, (x) => x + noise(x))
      : derivatives.Sum({ left: derivative, right: { slope: noise } });
  return { ...combined, noisy: std > 0 || derivative.noisy };
};

derivatives.Uniform = ({ low, high, seed }) => ({
  slope: (x) => low + (high - low) * uniformField(x, seed),
  noisy: true,
});

// What depends on the upstream gradient

derivatives.Directional = ({ left, right, width }, own) => {
  const secant = (reach) => {
    const { value } = requireElementwise(own, "Directional without left and right");
    return { slope: (x) => (value(x + reach) - value(x)) / reach };
  };
  const sides = [left ?? secant(-width), right ?? secant(width)];
  const rule = (x, gradient) => {
    const [goingLeft, goingRight] = sides.map((side) => report(side, x, gradient));
    return x.map((_, i) => {
      const [toLeft, toRight] = [Math.max(goingLeft[i], 0), Math.min(goingRight[i], 0)];
      return toLeft >= -toRight ? toLeft : toRight;
    });
  };
  return { rule, noisy: noisy(left, right) };
};

/** What another derivative reports, changed: change(reported, x, gradient) of whole tensors. */
const changed = (derivative, change, isNoisy = false) => ({
  rule: (x, gradient) => change(report(derivative, x, gradient), x, gradient),
  noisy: isNoisy || derivative.noisy,
});

derivatives.Towards = ({ low, high, derivative }) =>
  changed(derivative, (reported, x) =>
    reported.map((each, i) => {
      const further =
        (low !== null && x[i] < low && each > 0) || (high !== null && x[i] > high && each < 0);
      return further ? 0 : each;
    }),
  );

derivatives.EWGS = ({ delta, derivative, function: given }, own) =>
  changed(derivative, (reported, x, gradient) =>
    reported.map((each, i) => {
      const away = x[i] - (given ?? own).value(x[i]);
      return each * (1 + delta * Math.sign(gradient[i]) * away);
    }),
  );

derivatives.GradientNoise = ({ std, derivative, seed }) =>
  changed(
    derivative,
    (reported, x) => reported.map((each, i) => each + std * normalField(x[i], seed)),
    std > 0,
  );

derivatives.ClipValue = ({ limit, derivative }) =>
  changed(derivative, (reported) => reported.map((each) => clamp(each, -limit, limit)));

const norm = (vector) => Math.sqrt(vector.reduce((sum, each) => sum + each * each, 0));

derivatives.ClipNorm = ({ limit, derivative }) =>
  changed(derivative, (reported) => {
    const factor = Math.min(1, limit / norm(reported));
    return reported.map((each) => each * factor);
  });

derivatives.PreserveNorm = ({ derivative }) =>
  changed(derivative, (reported, _, gradient) => {
    const factor = norm(gradient) / (norm(reported) || 1);
    return reported.map((each) => each * factor);
  });

// Of a vector, which has one dimension to take the mean over.
derivatives.Centralise = ({ derivative }) => ({
  ...changed(derivative, (reported) => {
    const mean = reported.reduce((sum, each) => sum + each, 0) / reported.length;
    return reported.map((each) => each - mean);
  }),
  linear: isLinear(derivative),
});

// Combinations

derivatives.Sum = ({ left, right }) => ({
  ...combination([left, right], ([first, second]) => first + second),
  area: left.area === undefined || right.area === undefined ? undefined : left.area + right.area,
});

// Left can be any rule; the rule of right, if it has no slope, takes what left reports.
derivatives.Product = ({ left, right }) => {
  const combined = combination([left, right], ([first, second]) => first * second);
  if (combined.slope) return combined;
  return { ...combined, rule: (x, gradient) => report(right, x, report(left, x, gradient)) };
};

derivatives.Multiple = ({ factor, derivative }) => ({
  ...combination([derivative], ([reported]) => factor * reported),
  area: derivative.area && factor * derivative.area,
  peak: derivative.peak && Math.abs(factor) * derivative.peak,
});

derivatives.Split = ({ left, right, at, tie }) => {
  const isLeft = tie === "right" ? (x) => x < at : (x) => !(x > at);
  return combination([left, right], ([below, above], x) => (isLeft(x) ? below : above));
};

/** The derivative, evaluated elsewhere. */
const moved = (derivative, inward) => ({
  ...combination([derivative], ([reported]) => reported, inward),
  area: derivative.area,
  peak: derivative.peak,
});

derivatives.Shift = ({ derivative, distance }) => moved(derivative, (x) => x - distance);

derivatives.Scale = ({ derivative, width }) => ({
  ...moved(derivative, (x) => x / width),
  area: derivative.area && width * derivative.area,
});

derivatives.Mirror = ({ derivative }) => moved(derivative, (x) => -x);

derivatives.Clip = ({ derivative, low, high }) => ({
  slope: (x) => clamp(derivative.slope(x), low ?? -Infinity, high ?? Infinity),
  noisy: derivative.noisy,
});

derivatives.Normalise = ({ derivative, measure }) => {
  const found = derivative[measure] ?? measured(derivative.slope, measure);
  const amount = measure === "peak" ? Math.abs(found) : found; // so that the sign stays
  if (!Number.isFinite(amount) || amount === 0) {
    throw new Error(`normalise: the ${measure} is ${amount}: no multiple has 1`);
  }
  return derivatives.Multiple({ factor: 1 / amount, derivative });
};

/** Area or peak by the midpoint rule in t, where x = sinh(t): fine at 0, and far-reaching. */
function measured(slope, measure) {
  const [reach, points] = [12, 2 ** 14];
  const width = (2 * reach) / points;
  let [peak, area, nearer] = [0, 0, 0];
  for (let i = 0; i < points; i++) {
    const t = -reach + (i + 0.5) * width;
    const y = slope(Math.sinh(t));
    peak = Math.max(peak, Math.abs(y));
    area += y * Math.cosh(t) * width;
    if (Math.abs(t) < reach / 2) nearer += y * Math.cosh(t) * width;
  }
  if (measure === "peak") return peak;
  return Math.abs(area - nearer) <= 1e-2 * Math.abs(area) ? area : Infinity;
}
