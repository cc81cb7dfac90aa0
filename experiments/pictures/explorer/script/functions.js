// What is computed: the twins of surrogate/functions, by family. Each takes the arguments of its
// Python namesake, by their names there, and gives the value and the true slope at x.

/**
 * @typedef {object} Elementwise
 * @property {(x: number) => number} value
 * @property {(x: number) => number} slope  the true derivative
 * @property {boolean} [elementwise]        false if it depends on other elements too
 */

/** @type {Record<string, (given: any) => Elementwise>} */
const functions = {};

/** A function that is flat but for its jumps. */
const flat = (value) => ({ value, slope: () => 0 });

// Steps

const step = (x, low, atZero) => (x > 0 ? 1 : x < 0 ? low : x === 0 ? atZero : NaN);

functions.Heaviside = ({ threshold, at_zero }) => flat((x) => step(x - threshold, 0, at_zero));

functions.Sign = ({ at_zero }) => flat((x) => step(x, -1, at_zero));

// Of a vector, whose means are over no other dimension.
functions.MagnitudeSign = () => ({
  ...flat((x) => Math.abs(x) * step(x, -1, 1)),
  elementwise: false,
});

functions.Staircase = ({ step }) => flat((x) => step * roundEven(x / step));

functions.SoftStaircase = ({ step, softness }) => {
  const r = 1 - softness;
  const angle = (x) => 2 * Math.PI * phase(x, step);
  return {
    value: (x) =>
      x - (step / Math.PI) * Math.atan2(r * Math.sin(angle(x)), 1 + r * Math.cos(angle(x))),
    slope: (x) => (1 - r * r) / (1 + 2 * r * Math.cos(angle(x)) + r * r),
  };
};

// Cantor

functions.Cantor = ({ depth, extend }) =>
  flat((x) => {
    if (extend === "clamp") x = clamp(x, 0, 1);
    const whole = Math.floor(x);
    let part = x - whole;
    let y = whole;
    for (let place = 0.5, digits = 0; digits < depth; place /= 2, digits++) {
      part *= 3;
      const digit = Math.floor(part);
      part -= digit;
      if (digit > 0) y += place;
      if (digit === 1) break;
    }
    return y;
  });

// Noise

const latticePoints = 256;

functions.PerlinNoise = ({ resolution, seed }) => {
  const drawn = pythonRandom(seed, latticePoints);
  const values = drawn.map((u) => roundEven((2 * u - 1) * 2 ** 20) / 2 ** 20);
  const cell = (x) => {
    const place = x * resolution;
    const index = remainder(Math.floor(place), latticePoints);
    const left = values[index];
    return { left, rise: values[(index + 1) % latticePoints] - left, t: place - Math.floor(place) };
  };
  return {
    value: (x) => {
      const { left, rise, t } = cell(x);
      return left + rise * t * t * (3 - 2 * t);
    },
    slope: (x) => {
      const { rise, t } = cell(x);
      return 6 * resolution * rise * t * (1 - t);
    },
  };
};

// Polynomials

functions.Polynomial = ({ coefficients }) => ({
  value: (x) => coefficients.reduceRight((y, a) => y * x + a, 0),
  slope: (x) => coefficients.reduceRight((y, a, power) => (power ? y * x + power * a : y), 0),
});

// Quantizers

functions.Round = () => flat(roundEven);

functions.Floor = () => flat(Math.floor);

functions.Ceil = () => flat(Math.ceil);

functions.Trunc = () => flat(Math.trunc);

functions.Ternary = ({ threshold, at_tie }) =>
  flat((x) => {
    const size = Math.abs(x);
    return Math.sign(x) * (size > threshold ? 1 : size < threshold ? 0 : at_tie);
  });

functions.UniformQuantizer = ({ bits, low, high }) =>
  flat((x) => {
    const steps = 2 ** bits - 1;
    const place = (clamp(x, low, high) - low) / (high - low);
    return low + (high - low) * (roundEven(place * steps) / steps);
  });

functions.FakeQuantize = ({ scale, zero_point, quant_min, quant_max }) =>
  flat((x) => {
    const q = roundEven(x / scale) + zero_point;
    return (clamp(q, quant_min, quant_max) - zero_point) * scale;
  });

functions.MultiSpike = ({ threshold, most }) =>
  flat((x) => clamp(Math.floor(x / threshold), 0, most ?? Infinity));

// Rectifiers

functions.ReLU = () => functions.LeakyReLU({ negative_slope: 0 });

functions.LeakyReLU = ({ negative_slope }) => ({
  value: (x) => (x > 0 ? x : negative_slope * x),
  slope: (x) => (x > 0 ? 1 : negative_slope),
});

functions.ELU = ({ alpha }) => ({
  value: (x) => (x > 0 ? x : alpha * Math.expm1(x)),
  slope: (x) => (x > 0 ? 1 : alpha * Math.exp(x)),
});

functions.CELU = ({ alpha }) => ({
  value: (x) => (x > 0 ? x : alpha * Math.expm1(x / alpha)),
  slope: (x) => (x > 0 ? 1 : Math.exp(x / alpha)),
});

functions.SELU = () => {
  const { value, slope } = functions.ELU({ alpha: 1.6732632423543772 });
  const scale = 1.0507009873554805;
  return { value: (x) => scale * value(x), slope: (x) => scale * slope(x) };
};

functions.Threshold = ({ threshold, replacement }) => ({
  value: (x) => (x > threshold ? x : replacement),
  slope: (x) => (x > threshold ? 1 : 0),
});

functions.GradedSpike = ({ threshold, scale }) => ({
  value: (x) => (x < threshold ? 0 : x / scale),
  slope: (x) => (x < threshold ? 0 : 1 / scale),
});

// Saturating

functions.Clamp = ({ low, high }) => {
  const [least, most] = [low ?? -Infinity, high ?? Infinity];
  return {
    value: (x) => clamp(x, least, most),
    slope: (x) => (least < x && x < most ? 1 : 0),
  };
};

functions.Hardtanh = (ends) => functions.Clamp(ends);

functions.ReLU6 = () => functions.Clamp({ low: 0, high: 6 });

functions.Hardsigmoid = () => ({
  value: (x) => clamp((x + 3) / 6, 0, 1),
  slope: (x) => (Math.abs(x) < 3 ? 1 / 6 : 0),
});

functions.Hardswish = () => ({
  value: (x) => x * clamp((x + 3) / 6, 0, 1),
  slope: (x) => (Math.abs(x) < 3 ? (2 * x + 3) / 6 : x > 0 ? 1 : 0),
});

functions.Hardshrink = ({ threshold }) => ({
  value: (x) => (Math.abs(x) <= threshold ? 0 : x),
  slope: (x) => (Math.abs(x) <= threshold ? 0 : 1),
});

functions.Softshrink = ({ threshold }) => ({
  value: (x) => (Math.abs(x) <= threshold ? 0 : x - threshold * Math.sign(x)),
  slope: (x) => (Math.abs(x) <= threshold ? 0 : 1),
});

// Smooth

functions.Identity = () => ({ value: (x) => x, slope: () => 1 });

functions.Sigmoid = () => ({ value: sigmoid, slope: (x) => sigmoid(x) * sigmoid(-x) });

functions.Tanh = () => ({ value: Math.tanh, slope: (x) => 4 * sigmoid(2 * x) * sigmoid(-2 * x) });

functions.SiLU = () => functions.BSiLU({ alpha: 0 });

functions.Swish = ({ beta }) => ({
  value: (x) => x * sigmoid(beta * x),
  slope: (x) => sigmoid(beta * x) * (1 + beta * x * sigmoid(-beta * x)),
});

functions.BSiLU = ({ alpha }) => ({
  value: (x) => (x + alpha) * sigmoid(x) - alpha / 2,
  slope: (x) => sigmoid(x) * (1 + (x + alpha) * sigmoid(-x)),
});

functions.Mish = () => ({
  value: (x) => x * Math.tanh(softplus(x)),
  slope: (x) => {
    const t = Math.tanh(softplus(x));
    return t + x * sigmoid(x) * (1 - t * t);
  },
});

functions.GELU = ({ approximate }) => {
  if (approximate === "none") {
    return {
      value: (x) => x * normalCumulative(x),
      slope: (x) => normalCumulative(x) + x * normalDensity(x),
    };
  }
  const root = Math.sqrt(2 / Math.PI);
  const bend = (x) => Math.tanh(root * (x + 0.044715 * x ** 3));
  return {
    value: (x) => (x / 2) * (1 + bend(x)),
    slope: (far) => {
      const x = clamp(far, -20, 20); // beyond, 0 · ∞
      return (1 + bend(x)) / 2 + (x / 2) * (1 - bend(x) ** 2) * root * (1 + 3 * 0.044715 * x * x);
    },
  };
};

functions.Softplus = ({ beta, threshold }) => ({
  value: (x) => (beta * x > threshold ? x : softplus(beta * x) / beta),
  slope: (x) => (beta * x > threshold ? 1 : sigmoid(beta * x)),
});

functions.LogSigmoid = () => ({ value: (x) => -softplus(-x), slope: (x) => sigmoid(-x) });

functions.Softsign = () => ({
  value: (x) => x / (1 + Math.abs(x)),
  slope: (x) => (1 + Math.abs(x)) ** -2,
});

functions.Tanhshrink = () => ({
  value: (x) => x - Math.tanh(x),
  slope: (x) => Math.tanh(x) ** 2,
});

// Shifted

functions.LiSHT = () => ({
  value: (x) => x * Math.tanh(x),
  slope: (x) => Math.tanh(x) + x * (1 - Math.tanh(x) ** 2),
});

functions.LightReLU = ({ shift, most }) => {
  const { value, slope } = functions.LiSHT();
  return {
    value: (x) => Math.min(value(x) - shift, most),
    slope: (x) => (value(x) - shift < most ? slope(x) : 0),
  };
};

functions.FTSwish = ({ threshold }) => functions.FTSwishPlus({ threshold, mean_shift: 0 });

functions.FTSwishPlus = ({ threshold, mean_shift }) => {
  const { value, slope } = functions.SiLU();
  return {
    value: (x) => value(Math.max(x, 0)) + threshold - mean_shift,
    slope: (x) => (x > 0 ? slope(x) : 0),
  };
};

functions.TReLU = ({ threshold, mean_shift }) => ({
  value: (x) => Math.max(x, 0) + threshold - mean_shift,
  slope: (x) => (x > 0 ? 1 : 0),
});

functions.TiltReLU = ({ mean_shift }) => ({
  value: (x) => Math.abs(x) - 0.79788456 - mean_shift,
  slope: Math.sign,
});

functions.GeneralReLU = ({ leak, shift, most }) => ({
  value: (x) => Math.min((x > 0 ? x : leak * x) - shift, most),
  slope: (x) => (x - shift >= most ? 0 : x > 0 ? 1 : leak),
});

// Waves

functions.Sin = () => ({ value: Math.sin, slope: Math.cos });

functions.Snake = ({ frequency }) => ({
  value: (x) => x + Math.sin(frequency * x) ** 2 / frequency,
  slope: (x) => 1 + Math.sin(2 * frequency * x),
});

functions.TriangleWave = ({ period }) => ({
  value: (x) => {
    const t = phase(x, period);
    return Math.abs(t) < 0.25 ? 4 * t : 2 * Math.sign(t) - 4 * t;
  },
  slope: (x) => (Math.abs(phase(x, period)) < 0.25 ? 4 : -4) / period,
});

functions.SquareWave = ({ period }) => flat((x) => (phase(x, period) < 0 ? -1 : 1));

functions.SawtoothWave = ({ period }) => ({
  value: (x) => 2 * phase(x, period),
  slope: () => 2 / period,
});
