// What a pair computes, and what it reports beside the truth.

const pointsShown = 1200;
const pointsOfNoise = 240; // fewer, so that each is seen

/** Value and slopes at even places from `from` to `to`. */
function sampled(built, from, to) {
  const isNoisy = built.function.noisy || built.derivative.noisy;
  const x = middles(from, to, isNoisy ? pointsOfNoise : pointsShown);
  const lines = {
    x,
    value: x.map(built.function.value),
    true: x.map(built.function.slope),
    up: reportedAt(built, x, 1),
  };
  // What one g does the other does turned round, unless it depends on the sign.
  if (built.derivative.rule) lines.down = reportedAt(built, x, -1);
  return lines;
}

function drawCurves() {
  const built = pairNow();
  const { from, to, at } = state;
  const { x, value, true: truth, up, down } = sampled(built, from, to);
  const sampledNoise = built.function.noisy;
  const reportedNoise = built.derivative.noisy;

  const above = frame(byId("values"), {
    x: [from, to],
    y: extent(value),
    xLabel: "input x",
    yLabel: "output F(x)",
  });
  if (sampledNoise) dots(above, x, value, { fill: colour("ink") });
  else line(above, x, value, { stroke: colour("ink") });

  const below = frame(byId("slopes"), {
    x: [from, to],
    y: extent(truth, up, down ?? [], [0]),
    xLabel: "input x",
    yLabel: "output per input",
  });
  const draw = (y, name) =>
    reportedNoise
      ? dots(below, x, y, { fill: colour(name) })
      : line(below, x, y, {
          stroke: colour(name),
          width: 2.5,
          dash: name === "minus" ? [7, 3] : [],
        });
  draw(up, "reported");
  if (down) draw(down, "minus");
  line(below, x, truth, { stroke: colour("true"), width: 2, dash: [4, 4] });

  const [y, slope] = [built.function.value(at), built.function.slope(at)];
  const [reported] = reportedAt(built, [at], 1);
  const [falling] = reportedAt(built, [at], -1);
  if (from <= at && at <= to) {
    for (const axes of [above, below])
      marker(axes, at, { stroke: colour("muted"), width: 1, dash: [2, 3] });
    dots(above, [at], [y], { fill: colour("ink"), radius: 4 });
    dots(below, [at], [slope], { fill: colour("true"), radius: 4 });
    dots(below, [at], [reported], { fill: colour("reported"), radius: 4 });
  }
  byId("legend-minus").hidden = !down;
  byId("legend-up").textContent = down ? "reported for g = 1" : "reported";
  const also = down ? `, for g = −1 ${formatted(falling, 3)}` : "";
  byId("readout").textContent =
    `At x = ${formatted(at)} it computes ${formatted(y, 3)}; ` +
    `its true slope is ${formatted(slope, 3)}, and it reports ${formatted(reported, 3)}${also}.`;
  const [least, most] = [Math.min(...value), Math.max(...value)].map((each) => formatted(each, 3));
  const names = [current.nodes.function, current.nodes.derivative].map(printNode);
  describe("values", `${names[0]} from ${from} to ${to}; its values go from ${least} to ${most}.`);
  describe("slopes", `True and reported slope from ${from} to ${to}; reported is ${names[1]}.`);
  tellNotes(built);
}

/** What has to be known to read the figure. */
function tellNotes(built) {
  const notes = [];
  if (current.problem) notes.push(`The library refuses this pair: ${current.problem}.`);
  if (built.derivative.rule)
    notes.push("This derivative depends on the upstream gradient g: both signs are shown.");
  const whole = ["ClipNorm", "PreserveNorm", "Centralise"].filter((name) =>
    state.pair.includes(`${name}(`),
  );
  if (whole.length)
    notes.push(
      `${whole.join(", ")} looks at whole tensors: here, at that of all points of the figure.`,
    );
  if (state.pair.includes("RReLU("))
    notes.push("RReLU is shown as in evaluation; in training its slope is drawn at random.");
  if (state.pair.includes("Learnable("))
    notes.push("A learned number is shown at the value that it starts from.");
  if (isSampled(current.nodes.function) || isSampled(current.nodes.derivative))
    notes.push("A part of this pair was sampled by Python.");
  byId("notes").textContent = notes.join(" ");
  byId("notes").hidden = notes.length === 0;
}

/** Pointing at a figure moves the place that is read out. */
function followPointer(canvas) {
  const move = (event) => {
    const { left, right } = frames.get(canvas).box;
    const share = clamp((event.offsetX - left) / (right - left), 0, 1);
    change({ at: Number((state.from + share * (state.to - state.from)).toPrecision(4)) });
  };
  canvas.addEventListener("pointermove", (event) => event.pointerType === "mouse" && move(event));
  canvas.addEventListener("pointerdown", move);
}

/** The ends of what is shown: two boxes, a slider of the place, and buttons to come closer. */
function setUpCurves() {
  const zoom = (factor) => {
    const [middle, half] = [(state.from + state.to) / 2, ((state.to - state.from) / 2) * factor];
    if (half < 0.05 || half > 50) return;
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
  place.addEventListener("input", () => change({ at: Number(Number(place.value).toPrecision(4)) }));
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
