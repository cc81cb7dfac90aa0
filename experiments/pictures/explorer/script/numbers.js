// Arithmetic that JavaScript lacks: rounding, special functions, and the library's randomness.

/** The nearest integer; ties go to the even one, as in Python and torch. */
function roundEven(x) {
  const below = Math.floor(x);
  const past = x - below;
  if (past !== 0.5) return past < 0.5 ? below : below + 1;
  return below % 2 === 0 ? below : below + 1;
}

/** 1 / (1 + e^−x). */
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** log(1 + e^x). */
const softplus = (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

const clamp = (x, low, high) => Math.min(Math.max(x, low), high);

/** 1 − erf(x), to 1.2e-7 of its value (Press et al., Numerical Recipes, section 6.2). */
function erfc(x) {
  const t = 1 / (1 + Math.abs(x) / 2);
  const terms = [
    -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398,
    1.48851587, -0.82215223, 0.17087277,
  ];
  const tail = t * Math.exp(-x * x + terms.reduceRight((sum, term) => sum * t + term, 0));
  return x < 0 ? 2 - tail : tail;
}

/** Standard normal density and distribution function. */
const normalDensity = (x) => Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
const normalCumulative = (x) => erfc(-x / Math.SQRT2) / 2;

/** The remainder of x / period, from 0 to the period. */
const remainder = (x, period) => x - period * Math.floor(x / period);

/** x / period less the whole turns, from −½ up to but not including ½. */
function phase(x, period) {
  const turns = x / period;
  const part = turns - roundEven(turns);
  return part < 0.5 ? part : part - 1;
}

/** Scatter 32 bits so that each depends on all: lowbias32 (surrogate/derivatives/stochastic.py). */
function mixed(bits) {
  bits = Math.imul(bits ^ (bits >>> 16), 0x7feb352d);
  bits = Math.imul(bits ^ (bits >>> 15), 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

const single = new Float32Array(1);
const singleBits = new Uint32Array(single.buffer);

function hashed(x, seed) {
  single[0] = x === 0 ? 0 : x;
  return mixed(singleBits[0] ^ mixed(seed ^ 0x9e3779b9));
}

const uniform = (bits) => ((bits >>> 9) + 0.5) / 2 ** 23;

/** A number from U(0, 1) for each x. */
const uniformField = (x, seed) => uniform(hashed(x, seed));

/** A standard normal number for each x. */
function normalField(x, seed) {
  const bits = hashed(x, seed);
  return Math.sqrt(-2 * Math.log(uniform(bits))) * Math.cos(2 * Math.PI * uniform(mixed(bits)));
}

/** The first numbers of Python's random.Random(seed).random(): Mersenne Twister, 53 bits each. */
function pythonRandom(seed, count) {
  const size = 624;
  const state = new Uint32Array(size);
  const spread = (i) => state[i - 1] ^ (state[i - 1] >>> 30);
  state[0] = 19650218;
  for (let i = 1; i < size; i++) state[i] = Math.imul(1812433253, spread(i)) + i;
  // The seed is mixed in, as an array of one word.
  let i = 1;
  const next = () => {
    if (++i >= size) [state[0], i] = [state[size - 1], 1];
  };
  for (let k = 0; k < size; k++, next()) {
    state[i] = (state[i] ^ Math.imul(spread(i), 1664525)) + seed;
  }
  for (let k = 1; k < size; k++, next()) {
    state[i] = (state[i] ^ Math.imul(spread(i), 1566083941)) - i;
  }
  state[0] = 0x80000000;

  let used = size;
  const word = () => {
    if (used === size) {
      for (let k = 0; k < size; k++) {
        const y = (state[k] & 0x80000000) | (state[(k + 1) % size] & 0x7fffffff);
        state[k] = state[(k + 397) % size] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      used = 0;
    }
    let y = state[used++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  return Array.from({ length: count }, () => ((word() >>> 5) * 2 ** 26 + (word() >>> 6)) / 2 ** 53);
}
