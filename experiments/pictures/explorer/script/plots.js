// Drawing on canvases: axes, lines, bars, dots; sharp on any screen, in the colours of the theme.

const colour = (name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const formatted = (x, digits = 4) => {
  if (!Number.isFinite(x)) return Number.isNaN(x) ? "undefined" : x > 0 ? "∞" : "−∞";
  const rounded = Number(x.toPrecision(digits));
  const text =
    rounded !== 0 && (Math.abs(rounded) < 1e-4 || Math.abs(rounded) >= 1e6)
      ? rounded.toExponential()
      : String(rounded);
  return text.replace("-", "−");
};

/** Round numbers between low and high, about so many. */
function ticks(low, high, about) {
  const rough = (high - low) / Math.max(about, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** With all of its digits, of which neighbours may share the first. */
const tickText = (tick) => formatted(tick, 9);

/** The axes that were last drawn on each canvas. */
const frames = new WeakMap();

/** Numbers to be labelled on a logarithmic axis, whose ends are logarithms. */
function logTicks(low, high) {
  const found = [];
  const digits =
    high - low > Math.log(12)
      ? [1, 2, 5]
      : high - low > Math.log(4)
        ? [1, 2, 3, 5, 7]
        : [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9];
  for (let power = Math.floor(low / Math.LN10); power <= high / Math.LN10; power++) {
    for (const digit of digits) {
      const place = Math.log(digit) + power * Math.LN10;
      if (low <= place && place <= high) found.push(place);
    }
  }
  return found;
}

/** Ends that hold all finite values, with some room. */
function extent(...lists) {
  let [low, high] = [Infinity, -Infinity];
  for (const list of lists) {
    for (const each of list) {
      if (!Number.isFinite(each)) continue;
      if (each < low) low = each;
      if (each > high) high = each;
    }
  }
  if (low > high) [low, high] = [0, 1];
  const room = high - low > 1e-9 * Math.max(1, Math.abs(high)) ? 0.06 * (high - low) : 0.5;
  return [low - room, high + room];
}

/**
 * Clears a canvas and draws axes on it.
 * @typedef {{pen: CanvasRenderingContext2D, px: (x: number) => number, py: (y: number) => number,
 *   box: {left: number, right: number, top: number, bottom: number}, x: number[], y: number[]}} Frame
 * @param {HTMLCanvasElement} canvas
 * @param {{x: number[], y: number[], xLabel: string, yLabel: string, log?: boolean,
 *   percent?: boolean, wholeX?: boolean}} axes  log: y are logarithms; percent: y are shares
 * @returns {Frame}
 */
function frame(canvas, { x, y, xLabel, yLabel, log = false, percent = false, wholeX = false }) {
  const scale = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round(height * scale);
  const pen = canvas.getContext("2d");
  pen.scale(scale, scale);
  pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
  pen.lineJoin = "round";

  const yTicks = log ? logTicks(...y) : ticks(...y, height / 45);
  const named = (tick) =>
    log ? formatted(Math.exp(tick), 3) : percent ? `${tickText(100 * tick)} %` : tickText(tick);
  const left =
    Math.ceil(Math.max(...yTicks.map((tick) => pen.measureText(named(tick)).width), 16)) + 10;
  const box = { left, right: width - 10, top: 26, bottom: height - 40 };
  const px = (value) => box.left + ((value - x[0]) / (x[1] - x[0])) * (box.right - box.left);
  const py = (value) => box.bottom - ((value - y[0]) / (y[1] - y[0])) * (box.bottom - box.top);
  const sharp = (place) => Math.round(place * scale) / scale + 0.5 / scale;

  pen.lineWidth = 1;
  pen.fillStyle = colour("muted");
  pen.strokeStyle = colour("grid");
  pen.textAlign = "right";
  pen.textBaseline = "middle";
  for (const tick of yTicks) {
    pen.beginPath();
    pen.moveTo(box.left, sharp(py(tick)));
    pen.lineTo(box.right, sharp(py(tick)));
    pen.stroke();
    pen.fillText(named(tick), box.left - 6, py(tick));
  }
  pen.textBaseline = "top";
  let xTicks = ticks(...x, (box.right - box.left) / 62);
  if (wholeX) xTicks = xTicks.filter(Number.isInteger);
  for (const tick of xTicks) {
    pen.beginPath();
    pen.moveTo(sharp(px(tick)), box.top);
    pen.lineTo(sharp(px(tick)), box.bottom);
    pen.stroke();
    const half = pen.measureText(tickText(tick)).width / 2;
    pen.textAlign = "center";
    pen.fillText(tickText(tick), Math.min(px(tick), width - half - 1), box.bottom + 6);
  }
  pen.strokeStyle = colour("axis");
  if (!log && y[0] < 0 && y[1] > 0) rule(pen, box.left, sharp(py(0)), box.right, sharp(py(0)));
  pen.textAlign = "left";
  pen.fillText(yLabel, 1, 4);
  pen.textAlign = "right";
  pen.fillText(xLabel, box.right, box.bottom + 23);
  pen.textBaseline = "alphabetic";
  const axes = { pen, px, py, box, x, y };
  frames.set(canvas, axes);
  return axes;
}

function rule(pen, x0, y0, x1, y1) {
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
}

/** Draws within the axes only. */
function inside({ pen, box }, draw) {
  pen.save();
  pen.beginPath();
  pen.rect(box.left, box.top - 2, box.right - box.left, box.bottom - box.top + 4);
  pen.clip();
  draw(pen);
  pen.restore();
}

/** A line through points; it is interrupted where a value is not finite. */
function line(axes, x, y, { stroke, width = 2, dash = [] }) {
  inside(axes, (pen) => {
    pen.strokeStyle = stroke;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    pen.beginPath();
    let drawing = false;
    for (let i = 0; i < x.length; i++) {
      const finite = Number.isFinite(y[i]);
      if (finite) {
        const [across, up] = [axes.px(x[i]), clamp(axes.py(y[i]), -1e4, 1e4)];
        if (drawing) pen.lineTo(across, up);
        else pen.moveTo(across, up);
      }
      drawing = finite;
    }
    pen.stroke();
  });
}

function dots(axes, x, y, { fill, radius = 1.5 }) {
  inside(axes, (pen) => {
    pen.fillStyle = fill;
    for (let i = 0; i < x.length; i++) {
      pen.beginPath();
      pen.arc(axes.px(x[i]), axes.py(y[i]), radius, 0, 2 * Math.PI);
      pen.fill();
    }
  });
}

/** The area between two lines. */
function band(axes, x, low, high, { fill, opacity = 0.16 }) {
  inside(axes, (pen) => {
    pen.fillStyle = fill;
    pen.globalAlpha = opacity;
    pen.beginPath();
    x.forEach((each, i) => pen.lineTo(axes.px(each), axes.py(high[i])));
    for (let i = x.length - 1; i >= 0; i--) pen.lineTo(axes.px(x[i]), axes.py(low[i]));
    pen.fill();
  });
}

/** Bars from 0, between edges. */
function bars(axes, edges, heights, { fill }) {
  inside(axes, (pen) => {
    pen.fillStyle = fill;
    heights.forEach((height, i) => {
      if (height <= 0) return;
      const left = axes.px(edges[i]);
      const width = Math.max(axes.px(edges[i + 1]) - left - 0.75, 1);
      pen.fillRect(left, axes.py(height), width, axes.py(0) - axes.py(height));
    });
  });
}

/** A vertical line over the whole height. */
function marker(axes, x, { stroke, dash = [], width = 1.5 }) {
  inside(axes, (pen) => {
    pen.strokeStyle = stroke;
    pen.lineWidth = width;
    pen.setLineDash(dash);
    rule(pen, axes.px(x), axes.box.top, axes.px(x), axes.box.bottom);
  });
}

const leastJump = 1 / 200; // of a line's height, to be drawn as a gap

/**
 * The points of a line; where the formula jumps between two of them, both sides of the jump with a
 * gap between. A jump is what is as high when the interval that it is in can't be halved any more.
 */
function withGaps(formula, x) {
  const y = x.map(formula);
  const [low, high] = extent(y);
  const least = leastJump * (high - low);
  const line = { x: [x[0]], y: [y[0]] };
  for (let i = 1; i < x.length; i++) {
    let [a, b, atA, atB] = [x[i - 1], x[i], y[i - 1], y[i]];
    for (let halvings = 0; halvings < 60 && Math.abs(atB - atA) > least; halvings++) {
      const middle = (a + b) / 2;
      const value = formula(middle);
      if (Math.abs(value - atA) >= Math.abs(atB - value)) [b, atB] = [middle, value];
      else [a, atA] = [middle, value];
    }
    if (Math.abs(atB - atA) > least) {
      line.x.push(a, a, b);
      line.y.push(atA, NaN, atB);
    }
    line.x.push(x[i]);
    line.y.push(y[i]);
  }
  return line;
}

/** The middles of even intervals: beside the ties, which lie at round numbers. */
const middles = (low, high, count) =>
  Array.from({ length: count }, (_, i) => low + ((high - low) * (i + 0.5)) / count);
