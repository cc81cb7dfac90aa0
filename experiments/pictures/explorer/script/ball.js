// A ball that rolls downhill: gradient descent on ½ (F(x) − target)², by the true and by the
// reported gradient.

/**
 * Where the ball is after each step, with momentum as torch's SGD has it.
 * @returns {{x: number[], loss: number[]}}
 */
function rolled(built, { start, target, rate, momentum, steps }) {
  const { value } = built.function;
  const path = { x: [start], loss: [] };
  let [x, velocity] = [start, 0];
  const loss = () => path.loss.push((value(x) - target) ** 2 / 2);
  loss();
  for (let step = 0; step < steps; step++) {
    const [gradient] = report(built.derivative, [x], [value(x) - target]);
    velocity = momentum * velocity + gradient;
    x -= rate * velocity;
    path.x.push(x);
    loss();
  }
  return path;
}

const rolling = { step: Infinity, timer: 0 };

function drawBall() {
  const built = pairNow();
  const { target, steps, start } = state;
  const paths = { true: rolled(truthful(built), state), reported: rolled(built, state) };
  const now = Math.min(rolling.step, steps);
  const near = [...paths.true.x, ...paths.reported.x].filter((x) => Math.abs(x) < 12);
  const ends = extent(near, [start - 1, start + 1, state.from, state.to]);
  const x = middles(...ends, 900);
  const loss = x.map((each) => (built.function.value(each) - target) ** 2 / 2);
  const height = extent(loss, [0]);
  for (const [name, path] of Object.entries(paths)) {
    const axes = frame(byId(`ball-${name}`), {
      x: ends,
      y: height,
      xLabel: "x",
      yLabel: "loss ½ (F(x) − target)²",
    });
    line(axes, x, loss, { stroke: colour("ink"), width: 1.5 });
    axes.pen.globalAlpha = 0.35;
    dots(axes, path.x.slice(0, now + 1), path.loss.slice(0, now + 1), {
      fill: colour(name),
      radius: 3,
    });
    axes.pen.globalAlpha = 1;
    dots(axes, [path.x[now]], [path.loss[now]], { fill: colour(name), radius: 8 });
    const [place, depth] = [path.x[now], path.loss[now]].map((each) => formatted(each, 3));
    const said = `after ${now} steps: x = ${place}, loss ${depth}`;
    byId(`ball-${name}-says`).textContent = said;
    describe(`ball-${name}`, `A ball on the loss, led by the ${name} gradient, ${said}.`);
  }
}

/** Rolls the balls from the start, a step at each frame of an animation. */
function roll() {
  cancelAnimationFrame(rolling.timer);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const began = performance.now();
  const frameNow = (time) => {
    rolling.step = Math.floor(Math.max(time - began, 0) / 33);
    if (rolling.step < state.steps) rolling.timer = requestAnimationFrame(frameNow);
    else rolling.step = Infinity;
    drawBall();
  };
  rolling.timer = requestAnimationFrame(frameNow);
}

function setUpBall() {
  byId("ball-controls").append(
    stateSlider("start", "start"),
    stateSlider("target", "target"),
    stateSlider("rate", "learning rate"),
    stateSlider("momentum", "momentum"),
    stateSlider("steps", "steps"),
  );
  byId("roll").addEventListener("click", roll);
  view(["pair", "from", "to", "start", "target", "rate", "momentum", "steps"], drawBall);
}
