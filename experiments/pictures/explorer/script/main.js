// Puts the page together.

const known = JSON.parse(byId("known").textContent);

function setUpPair() {
  const presets = [["", "named pairs"], ...Object.keys(known.pairs).map((name) => [name, name])];
  const pick = (name) => {
    if (!name) return;
    const pair = known.pairs[name];
    const [from, to] = pair.ends;
    tell("");
    change({
      pair: printPair(pair),
      from,
      to,
      at: Number((from + 0.59 * (to - from)).toPrecision(3)),
    });
    refill("set-preset");
  };
  const made = menu({
    id: "set-preset",
    label: "Preset",
    options: presets,
    value: "",
    changed: pick,
  });
  byId("preset").append(made);
  const text = byId("text");
  text.addEventListener("input", () => {
    try {
      const pair = readPair(text.value);
      text.removeAttribute("aria-invalid");
      tell("");
      change({ pair: printPair(pair) });
      refill();
    } catch (error) {
      if (!(error instanceof TextError)) throw error;
      text.setAttribute("aria-invalid", "true");
      tell(error.message);
    }
  });
  view(["pair"], () => {
    if (document.activeElement !== text) {
      text.value = state.pair;
      text.removeAttribute("aria-invalid");
    }
    const name = Object.keys(known.pairs).find(
      (each) => printPair(known.pairs[each]) === state.pair,
    );
    made.querySelector("select").value = name ?? "";
    document.title = `${name ?? state.pair} · Explorer`;
  });
  for (const [id, content] of [
    ["copy", () => state.pair],
    ["share", () => location.href],
  ]) {
    const button = byId(id);
    const usual = button.textContent;
    button.addEventListener("click", async () => {
      const done = await copied(content());
      button.textContent = done ? "copied" : "select and copy";
      setTimeout(() => (button.textContent = usual), 1500);
    });
  }
}

/** Copies text, also where a file may not use the clipboard. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { readonly: true }, text);
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

function setUpTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (state.theme === "auto" ? dark.matches : state.theme === "dark");
  const button = byId("theme");
  const show = () => {
    document.documentElement.dataset.theme = isDark() ? "dark" : "light";
    button.textContent = isDark() ? "Light" : "Dark";
    button.setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme");
  };
  button.addEventListener("click", () => {
    const wanted = isDark() ? "light" : "dark";
    change({ ...state, theme: (wanted === "dark") === dark.matches ? "auto" : wanted });
  });
  dark.addEventListener("change", redrawAll);
  view(["theme"], show);
}

function followAddress() {
  document.activeElement.blur(); // what has the focus is left as it is typed
  const problems = readAddress(location.hash);
  refill();
  tell(problems.length ? `Of this address was left out: ${problems.join("; ")}.` : "");
  redrawAll();
}

setUpTheme();
readAddress(location.hash);
setUpPair();
setUpCurves();
setUpDistributions();
setUpBall();
setUpAtlas();
setUpLosses();
followAddress();
window.addEventListener("hashchange", followAddress);
new ResizeObserver(redrawAll).observe(document.querySelector("main"));

// What tests and the curious ask: the numbers behind the drawings.
window.explorer = {
  known,
  state,
  twins: { functions: Object.keys(functions), derivatives: Object.keys(derivatives) },
  reads: (text) => printPair(readPair(text)),
  at(text, x, gradient) {
    const built = buildPair(readPair(text));
    return {
      value: x.map(built.function.value),
      slope: x.map(built.function.slope),
      reported: reportedAt(built, x, gradient),
    };
  },
  drawn: (from, to) => sampled(pairNow(), from, to),
  ticks: (low, high, about) => ticks(low, high, about).map(tickText),
  distribution: (text, given) => measuredDistributions(buildPair(readPair(text)), given),
  rolled: (text, given) => rolled(buildPair(readPair(text)), given),
  atlas: (image) =>
    forward(
      entriesAt(freeNow()),
      layerPair(state.first).function.value,
      layerPair(state.second).function.value,
      image,
    ),
  sensitivity: (image, wrt) =>
    sensitivity(
      entriesAt(freeNow()),
      entryRates(wrt),
      layerPair(state.first),
      layerPair(state.second),
      image,
    ),
};
