// The loss curves of runs that were made elsewhere: mean over seeds, and a deviation each side.

const dashes = { solid: [], dashed: [7, 3], dotted: [1.5, 3], dashdot: [7, 3, 1.5, 3] };
const hiddenCurves = new Set();

const curveColour = ({ color }) => (color === "black" ? colour("ink") : color);

function drawLosses() {
  known.runs.forEach(({ experiment, unit, curves }, index) => {
    const shown = curves.filter(({ name }) => !hiddenCurves.has(`${index} ${name}`));
    const lows = shown.map(({ mean, deviation }) => mean.map((each, i) => each - deviation[i]));
    const highs = shown.map(({ mean, deviation }) => mean.map((each, i) => each + deviation[i]));
    const epochs = extent(...curves.map((each) => each.epochs));
    const y = shown.length ? extent(...lows, ...highs) : [-1, 0];
    const canvas = byId(`losses-${index}`);
    const axes = frame(canvas, {
      x: epochs,
      y,
      xLabel: "epoch",
      yLabel: `test loss${unit ? ` (${unit})` : ""}, logarithmic`,
      log: true,
      wholeX: true,
    });
    shown.forEach((curve, i) => {
      const stroke = curveColour(curve.style);
      band(axes, curve.epochs, lows[i], highs[i], { fill: stroke });
      line(axes, curve.epochs, curve.mean, { stroke, dash: dashes[curve.style.linestyle] });
      if (curve.epochs.length < 20)
        dots(axes, curve.epochs, curve.mean, { fill: stroke, radius: 2.5 });
    });
    const best = shown.length ? `; the best is ${shown[0].name}` : "";
    const said = `Test loss of ${shown.length} activations over epochs, ${experiment}${best}.`;
    canvas.setAttribute("aria-label", said);
  });
}

function setUpLosses() {
  byId("losses").hidden = known.runs.length === 0;
  known.runs.forEach(({ experiment, curves }, index) => {
    const ticks = curves.map((curve) => {
      const { name, seeds, mean } = curve;
      const tick = element("input", { type: "checkbox", checked: true });
      tick.addEventListener("change", () => {
        hiddenCurves[tick.checked ? "delete" : "add"](`${index} ${name}`);
        drawLosses();
      });
      const key = element("span", { class: "key" });
      view(["theme"], () => (key.style.borderTopColor = curveColour(curve.style)));
      key.style.borderTopStyle =
        { solid: "solid", dotted: "dotted" }[curve.style.linestyle] ?? "dashed";
      const end = formatted(Math.exp(mean[mean.length - 1]), 3);
      return element(
        "label",
        {},
        tick,
        key,
        `${name} `,
        element("span", { class: "muted" }, `${end}, ${seeds} ${seeds === 1 ? "seed" : "seeds"}`),
      );
    });
    byId("losses-body").append(
      element("h3", {}, experiment),
      element(
        "div",
        { class: "with-legend" },
        element("canvas", { id: `losses-${index}`, class: "plot tall", role: "img" }),
        element("div", { class: "legend column" }, ...ticks),
      ),
    );
  });
  view(["theme"], drawLosses);
}
