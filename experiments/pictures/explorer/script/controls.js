// Sliders, menus, and the editor of a pair, made from what the library says of its arguments.

/** An element with attributes, and children that are elements or text. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== false)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const byId = (id) => document.getElementById(id);

/** Says in words what a figure shows. */
const describe = (id, text) => byId(id).setAttribute("aria-label", text);

/** A round step for a slider, a hundredth of its way or less. */
const stepOf = (low, high) => 10 ** Math.floor(Math.log10((high - low) / 100));

/**
 * A number: a slider, and a box to type it. `changed` may return a number that is put in its place.
 * @returns {{element: HTMLElement, show: (value: number) => void}}
 */
function slider({ id, label, low, high, step = stepOf(low, high), value, changed }) {
  const range = element("input", { type: "range", id, min: low, max: high, step });
  const box = element("input", {
    type: "number",
    min: low,
    max: high,
    step: "any",
    "aria-label": `${label}, as a number`,
    inputmode: "decimal",
  });
  let last = value;
  const show = (shown, except) => {
    last = shown;
    if (except !== range) range.value = shown;
    if (except !== box) box.value = Number(shown.toPrecision(6));
    range.style.setProperty("--share", `${(100 * (shown - low)) / (high - low)}%`);
  };
  const take = (input) => {
    const given = Number(input.value);
    if (input.value === "" || !Number.isFinite(given)) return;
    const wanted = clamp(step === 1 ? Math.round(given) : given, low, high);
    const kept = changed(wanted) ?? wanted;
    show(kept, kept === given ? input : input === box ? box : undefined);
  };
  range.addEventListener("input", () => take(range));
  box.addEventListener("input", () => take(box));
  box.addEventListener("change", () => show(last));
  show(value);
  return {
    element: element("div", { class: "slider" }, element("label", { for: id }, label), range, box),
    show,
  };
}

/** A slider of a number in the state; it follows when the address changes. */
function stateSlider(name, label) {
  const { low, high, step } = schema[name];
  const made = slider({
    id: `set-${name}`,
    label,
    low,
    high,
    step,
    value: state[name],
    changed: (value) => void change({ [name]: value }),
  });
  view([name], () => {
    if (!made.element.contains(document.activeElement)) made.show(state[name]);
  });
  return made.element;
}

/** A menu; options are [value, text] or {label, options}. */
function menu({ id, label, options, value, changed }) {
  const option = ([each, text]) =>
    element("option", { value: each, selected: each === value }, text);
  const select = element("select", { id, onchange: () => changed(select.value) });
  for (const each of options) {
    select.append(
      Array.isArray(each)
        ? option(each)
        : element("optgroup", { label: each.label }, ...each.options.map(option)),
    );
  }
  return element("div", { class: "menu" }, element("label", { for: id }, label), select);
}

function stateMenu(name, label, options) {
  const made = menu({
    id: `set-${name}`,
    label,
    options,
    value: state[name],
    changed: (value) => change({ [name]: value }),
  });
  view([name], () => (made.querySelector("select").value = state[name]));
  return made;
}

// The editor of a pair

/** @type {Pair} */
let edited = null;

/** The names of a registry by family, those that fit an argument of this kind. */
function families(of, kind, depth) {
  const grouped = new Map();
  for (const [name, about] of Object.entries(known[of])) {
    if (["linear", "pointwise"].includes(kind) && !about[kind]) continue;
    if (about.family === "combinations" && depth > 2) continue;
    if (!grouped.has(about.family)) grouped.set(about.family, []);
    grouped.get(about.family).push([name, name]);
  }
  return [...grouped].map(([label, options]) => ({ label, options }));
}

/** The node that a choice in a menu makes of the present one: a combination takes it in. */
function chosen(of, name, present) {
  const node = structuredClone(known[of][name].start);
  const takesIn =
    known[of][name].family === "combinations" &&
    known[of][name].parameters.find(({ kind }) => isDerivative(kind));
  if (takesIn && present) node.arguments[takesIn.name] = present;
  return node;
}

/** Whether the edited pair is one that the library takes; then it is shown. */
function apply() {
  const text = printPair(edited);
  try {
    readPair(text);
  } catch (error) {
    if (!(error instanceof TextError)) throw error;
    tell(error.message);
    return false;
  }
  tell("");
  change({ pair: text });
  return true;
}

/** A function or derivative: its menu, what it says of itself, and its arguments. */
function partEditor({ id, label, of, kind, node, set, depth = 0, none }) {
  const pick = (name) => {
    const before = node;
    set(name === "" ? null : chosen(of, name, node));
    if (!apply()) set(before);
    refill(id);
  };
  const options = [...(none ? [["", none]] : []), ...families(of, kind, depth)];
  const rows = [menu({ id, label, options, value: node ? node.name : "", changed: pick })];
  if (node) {
    const about = aboutOf(node);
    const [first, ...rest] = about.says.split("\n\n");
    const says = element("p", { class: "says" }, first);
    rows.push(
      rest.length
        ? element(
            "details",
            {},
            element("summary", {}, says),
            element("pre", {}, rest.join("\n\n")),
          )
        : says,
    );
    if (!own({ functions, derivatives }[of], node.name)) {
      rows.push(
        element("p", { class: "says" }, "Sampled by Python: its arguments can't be turned here."),
      );
    } else {
      for (const parameter of about.parameters)
        rows.push(...argumentEditor(`${id}-${parameter.name}`, parameter, node, depth));
    }
  }
  return element("div", { class: "part" }, ...rows);
}

/** The controls of one argument. */
function argumentEditor(id, parameter, node, depth) {
  const { name, kind, optional, low, high } = parameter;
  const value = node.arguments[name];
  const set = (given) => (node.arguments[name] = given);
  if (kind === "function" || isDerivative(kind)) {
    const of = kind === "function" ? "functions" : "derivatives";
    const none = optional
      ? kind === "function"
        ? "the pair's own"
        : "made from the function"
      : undefined;
    const editor = partEditor({
      id,
      label: "",
      of,
      kind,
      node: value,
      set,
      depth: depth + 1,
      none,
    });
    editor.querySelector("select").setAttribute("aria-label", name);
    return [element("fieldset", {}, element("legend", {}, name), editor)];
  }
  if (kind === "choice") {
    const options = parameter.choices.map((each) => [String(each), String(each)]);
    const pick = (text) => {
      set(parameter.choices.find((each) => String(each) === text));
      apply();
    };
    return [menu({ id, label: name, options, value: String(value), changed: pick })];
  }
  if (kind === "numbers") return coefficientEditor(id, parameter, value);
  const made = [];
  if (optional) {
    const given = element("input", {
      type: "checkbox",
      id: `${id}-given`,
      checked: value !== null,
    });
    given.addEventListener("change", () => {
      const before = node.arguments[name];
      set(given.checked ? clamp(parameter.default ?? 1, low, high) : null);
      if (!apply()) set(before);
      refill(`${id}-given`);
    });
    made.push(
      element(
        "div",
        { class: "tick" },
        given,
        element(
          "label",
          { for: `${id}-given` },
          value === null ? `${name}: none` : `${name} is given`,
        ),
      ),
    );
    if (value === null) return made;
  }
  const changed = (wanted) => {
    const kept = keptInBounds(wanted, parameter, node);
    set(settled(value) === value ? kept : { ...value, learned: kept });
    apply();
    return kept;
  };
  const label = settled(value) === value ? name : `${name} (learned)`;
  made.push(
    slider({
      id,
      label,
      low,
      high,
      step: kind === "integer" ? 1 : undefined,
      value: settled(value),
      changed,
    }).element,
  );
  return made;
}

/** The nearest number that keeps the limits between this argument and others. */
function keptInBounds(wanted, { name, bounds, kind }, node) {
  const gap = kind === "integer" ? 1 : 0.01;
  const limits = [...bounds];
  for (const { name: other, bounds: theirs = [] } of aboutOf(node).parameters) {
    // other > name is name < other; other > −name is name > −other.
    const turned = { above: "below", least: "most", below: "above", most: "least" };
    for (const bound of theirs.filter((each) => each.other === name)) {
      limits.push({
        word: bound.sign > 0 ? turned[bound.word] : bound.word,
        other,
        sign: bound.sign,
      });
    }
  }
  for (const { word, other, sign } of limits) {
    const limit = settled(node.arguments[other]);
    if (limit === null) continue;
    const place = sign * limit;
    if (word === "above") wanted = Math.max(wanted, place + gap);
    if (word === "least") wanted = Math.max(wanted, place);
    if (word === "below") wanted = Math.min(wanted, place - gap);
    if (word === "most") wanted = Math.min(wanted, place);
  }
  return Number(wanted.toPrecision(10));
}

/** The coefficients of a polynomial: a slider each, and buttons for more or fewer. */
function coefficientEditor(id, { low, high }, list) {
  const sliders = list.map((value, power) => {
    const changed = (wanted) => {
      list[power] = wanted;
      apply();
    };
    return slider({
      id: `${id}-${power}`,
      label: `of x${["⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷"][power]}`,
      low,
      high,
      value,
      changed,
    }).element;
  });
  const alter = (act) => {
    act();
    apply();
    refill(`${id}-0`);
  };
  const more = element(
    "button",
    { type: "button", disabled: list.length >= 8, onclick: () => alter(() => list.push(0)) },
    "one power more",
  );
  const fewer = element(
    "button",
    { type: "button", disabled: list.length <= 1, onclick: () => alter(() => list.pop()) },
    "one fewer",
  );
  return [...sliders, element("div", { class: "buttons" }, more, fewer)];
}

/** Fills the editor anew, and puts the focus back. */
function refill(focused) {
  edited = readPair(state.pair);
  const place = byId("editor");
  place.replaceChildren(
    element(
      "fieldset",
      { class: "half computed" },
      element("legend", {}, "computes"),
      partEditor({
        id: "function",
        label: "Function",
        of: "functions",
        kind: "function",
        node: edited.function,
        set: (node) => (edited.function = node),
      }),
    ),
    element(
      "fieldset",
      { class: "half reported" },
      element("legend", {}, "reports"),
      partEditor({
        id: "derivative",
        label: "Derivative",
        of: "derivatives",
        kind: "derivative",
        node: edited.derivative,
        set: (node) => (edited.derivative = node),
      }),
    ),
  );
  const again = focused && byId(focused);
  if (again) again.focus();
}

/** Says something to the reader; nothing by an empty text. */
const tell = (text) => (byId("message").textContent = text);
