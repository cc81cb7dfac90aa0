// What a pair computes, and what it reports beside the truth.

const pointsShown = 1200;
const pointsOfNoise = 240; // fewer, so that each is seen

/** What the pair has that looks at other elements too. */
const wholeTensors = () =>
  ["ClipNorm", "PreserveNorm", "Centralise"].filter((name) => state.pair.includes(`${name}(`));

/** Value and slopes from `from` to `to`: lines, and which of them are noise. */
function sampled(built, from, to) {
  const [computed, reported] = [built.function, built.derivative];
  const x = middles(from, to, reported.noisy ? pointsOfNoise : pointsShown);
  const line = (formula, noisy) => ({
    ...(noisy ? { x, y: x.map(formula) } : withGaps(formula, x)),
    noisy,
  });
  const lines = { value: line(computed.value), true: line(computed.slope) };
  if (reported.slope) return { ...lines, up: line(reported.slope, reported.noisy) };
  // What is reported over g, for either sign of it, if that makes a difference.
  const over = (g) =>
    wholeTensors().length
      ? { x, y: reportedAt(built, x, g).map((each) => each / g), noisy: reported.noisy }
      : line((each) => reportedAt(built, [each], g)[0] / g, reported.noisy);
  return { ...lines, up: over(1), ...(reported.linear ? {} : { down: over(-1) }) };
}

function drawCurves() {
  const built = pairNow();
  const { from, to, at } = state;
  const { value, true: truth, up, down } = sampled(built, from, to);
  const above = frame(byId("values"), {
    x: [from, to],
    y: extent(value.y),
    xLabel: "input x",
    yLabel: "output F(x)",
  });
  const draw = (axes, { x, y, noisy }, name, style) =>
    noisy
      ? dots(axes, x, y, { fill: colour(name) })
      : line(axes, x, y, { stroke: colour(name), ...style });
  draw(above, value, "ink");

  const below = frame(byId("slopes"), {
    x: [from, to],
    y: extent(truth.y, up.y, down?.y ?? [], [0]),
    xLabel: "input x",
    yLabel: "output per input",
  });
  draw(below, up, "reported", { width: 2.5 });
  if (down) draw(below, down, "minus", { width: 2.5, dash: [7, 3] });
  draw(below, truth, "true", { dash: [4, 4] });

  const [y, slope] = [built.function.value(at), built.function.slope(at)];
  const [reported] = reportedAt(built, [at], 1);
  const falling = -reportedAt(built, [at], -1)[0];
  if (from <= at && at <= to) {
    for (const axes of [above, below])
      marker(axes, at, { stroke: colour("muted"), width: 1, dash: [2, 3] });
    dots(above, [at], [y], { fill: colour("ink"), radius: 4 });
    dots(below, [at], [slope], { fill: colour("true"), radius: 4 });
    dots(below, [at], [reported], { fill: colour("reported"), radius: 4 });
  }
  byId("legend-minus").hidden = !down;
  byId("legend-up").textContent = down ? "reported for g = 1" : "reported";
  byId("reported-for").textContent = down ? "reported for g = 1" : "reported";
  const also = down ? ` for g = 1 and ${formatted(falling, 3)} for g = −1` : "";
  byId("readout").textContent =
    `At x = ${formatted(at, 9)} it computes ${formatted(y, 3)}; ` +
    `its true slope is ${formatted(slope, 3)}, and it reports ${formatted(reported, 3)}${also}.`;
  const seen = value.y.filter(Number.isFinite);
  const [least, most] = [Math.min(...seen), Math.max(...seen)].map((each) => formatted(each, 3));
  const names = [current.nodes.function, current.nodes.derivative].map(printNode);
  describe("values", `${names[0]} from ${from} to ${to}; its values go from ${least} to ${most}.`);
  describe("slopes", `True and reported slope from ${from} to ${to}; reported is ${names[1]}.`);
  tellNotes(built);
}

/** What has to be known to read the figure. */
function tellNotes(built) {
  const notes = [];
  if (current.problem) notes.push(`The library refuses this pair: ${current.problem}.`);
  if (!isLinear(built.derivative))
    notes.push(
      "What is reported depends on the upstream gradient g: it is shown over g, for both signs.",
    );
  const whole = wholeTensors();
  if (whole.length)
    notes.push(
      `${whole.join(", ")} looks at whole tensors: here, at that of all points of the figure.`,
    );
  if (state.pair.includes("Learnable("))
    notes.push("A learned number is shown at the value that it starts from.");
  if (isSampled(current.nodes.function) || isSampled(current.nodes.derivative))
    notes.push("A part of this pair was sampled by Python.");
  byId("notes").textContent = notes.join(" ");
  byId("notes").hidden = notes.length === 0;
}

/** A place, to a tenth of the slider's step. */
function placed(x) {
  const step = stepOf(state.from, state.to) / 10;
  return Number((Math.round(x / step) * step).toPrecision(12));
}

/** Pointing at a figure moves the place that is read out. */
function followPointer(canvas) {
  const move = (event) => {
    const { left, right } = frames.get(canvas).box;
    const share = clamp((event.offsetX - left) / (right - left), 0, 1);
    change({ at: placed(state.from + share * (state.to - state.from)) });
  };
  canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && move(event));
  canvas.addEventListener("pointerdown", move);
}

/** The ends of what is shown: two boxes, a slider of the place, and buttons to come closer. */
function setUpCurves() {
  const zoom = (factor) => {
    const [middle, half] = [(state.from + state.to) / 2, ((state.to - state.from) / 2) * factor];
    if (factor < 1 ? half < 0.05 : half > 100) return;
    change({
      from: Number(Math.max(middle - half, -100).toPrecision(4)),
      to: Number(Math.min(middle + half, 100).toPrecision(4)),
    });
  };
  byId("closer").addEventListener("click", () => zoom(1 / 1.5));
  byId("further").addEventListener("click", () => zoom(1.5));
  for (const name of ["from", "to"]) {
    const box = byId(name);
    box.addEventListener("change", () => {
      const value = Number(box.value);
      const other = name === "from" ? value < state.to : value > state.from;
      if (box.value !== "" && Math.abs(value) <= 100 && other) change({ [name]: value });
      else box.value = state[name];
    });
    view([name], () => (box.value = state[name]));
  }
  view(["pair", "from", "to", "at"], drawCurves);
  const place = byId("at");
  place.addEventListener("input", () => change({ at: placed(Number(place.value)) }));
  view(["from", "to", "at"], () => {
    Object.assign(place, { min: state.from, max: state.to, step: stepOf(state.from, state.to) });
    place.value = state.at;
    place.setAttribute("aria-valuetext", byId("readout").textContent);
    place.style.setProperty(
      "--share",
      `${100 * clamp((state.at - state.from) / (state.to - state.from), 0, 1)}%`,
    );
  });
  followPointer(byId("values"));
  followPointer(byId("slopes"));
}
