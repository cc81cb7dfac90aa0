// Pairs as text, as on the command line: "Staircase(step=0.5) / Blurred(width=0.3)". Read, checked
// against what the library knows, printed, and built. The grammar is that of surrogate/text.py.

/**
 * @typedef {{of: "functions" | "derivatives", name: string, arguments: Record<string, any>}} PartNode
 * @typedef {{learned: number, positive: boolean}} Learned  a number that is learned
 * @typedef {{function: PartNode, derivative: PartNode}} Pair
 */

const longest = 2000;
const deepest = 16;

class TextError extends Error {}

/** Words, numbers, quoted words and signs. */
function tokens(text) {
  if (text.length > longest) throw new TextError(`at most ${longest} characters`);
  const word = /([A-Za-z_]\w*)/;
  const number = /((?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)/;
  const kinds = [word, number, /'(\w*)'/, /"(\w*)"/, /([^\s\w])/];
  const pattern = new RegExp(`\\s*(?:${kinds.map((kind) => kind.source).join("|")})`, "gy");
  const found = [];
  for (let match; (match = pattern.exec(text));) {
    const [, name, digits, single, double, sign] = match;
    if (name !== undefined) found.push({ kind: "word", value: name });
    else if (digits !== undefined) found.push({ kind: "number", value: Number(digits) });
    else if (sign !== undefined) found.push({ kind: "sign", value: sign });
    else found.push({ kind: "quoted", value: single ?? double });
    if (pattern.lastIndex === text.length) break;
  }
  return found;
}

/** What reads tokens one by one. */
class Reader {
  constructor(text) {
    this.tokens = tokens(text.trim());
    this.place = 0;
    this.depth = 0;
  }

  get next() {
    return this.tokens[this.place] ?? { kind: "end", value: "the end" };
  }

  take() {
    this.place++;
    return this.tokens[this.place - 1] ?? { kind: "end", value: "the end" };
  }

  is(sign) {
    return this.next.kind === "sign" && this.next.value === sign;
  }

  skip(sign) {
    if (!this.is(sign)) return false;
    this.place++;
    return true;
  }

  need(sign) {
    if (!this.skip(sign)) throw new TextError(`expected ${sign}, got ${this.next.value}`);
  }

  end() {
    if (this.next.kind !== "end") throw new TextError(`can't read ${this.next.value}`);
  }

  deeper(read) {
    if (++this.depth > deepest) throw new TextError("nested too deep");
    const result = read();
    this.depth--;
    return result;
  }
}

const methods = {
  clip: "Clip",
  shift: "Shift",
  scale: "Scale",
  mirror: "Mirror",
  normalise: "Normalise",
};
const combining = ["Sum", "Product", "Multiple"];
const own = (table, name) => (Object.hasOwn(table, name) ? table[name] : undefined);

/** What the library knows of a node. */
const aboutOf = (node) => known[node.of][node.name];
const isNode = (value) => value !== null && typeof value === "object" && "of" in value;

class PairReader extends Reader {
  /** @returns {Pair} */
  pair() {
    const [first, second] = this.tokens;
    if (
      first?.kind === "word" &&
      own(known.pairs, first.value) &&
      (!second || this.tokens.length === 1)
    ) {
      return structuredClone({
        function: known.pairs[first.value].function,
        derivative: known.pairs[first.value].derivative,
      });
    }
    const computed = this.call("functions");
    if (this.next.kind === "end") return { function: computed, derivative: part("Exact", {}) };
    this.need("/");
    const reported = this.sum();
    this.end();
    return { function: computed, derivative: reported };
  }

  sum() {
    return this.deeper(() => {
      let left = this.product();
      for (;;) {
        if (this.skip("+")) left = part("Sum", { left, right: this.product() });
        else if (this.skip("-")) {
          left = part("Sum", {
            left,
            right: part("Multiple", { factor: -1, derivative: this.product() }),
          });
        } else return left;
      }
    });
  }

  product() {
    let left = this.operand();
    while (this.skip("*")) left = multiplied(left, this.operand());
    if (typeof left !== "object" || "learned" in left)
      throw new TextError("a number is no derivative");
    return left;
  }

  operand() {
    const number = this.number();
    if (number !== undefined) return number;
    if (this.skip("-")) {
      return part("Multiple", { factor: -1, derivative: this.deeper(() => this.operand()) });
    }
    let read;
    if (this.skip("(")) {
      read = this.sum();
      this.need(")");
    } else {
      read = this.call("derivatives");
    }
    while (this.skip(".")) {
      const name = own(methods, this.take().value);
      if (!name) throw new TextError("derivatives have no such method");
      read = this.filled("derivatives", name, { derivative: read });
    }
    return read;
  }

  /** A number with or without a sign, or one that is learned; undefined for anything else. */
  number() {
    const start = this.place;
    const sign = this.skip("-") ? -1 : this.skip("+") ? 1 : 1;
    if (this.next.kind === "number") return sign * this.take().value;
    if (this.next.value === "Learnable" && start === this.place) {
      this.take();
      return this.learned();
    }
    if (this.next.value === "Drawn") throw new TextError("drawn numbers can't be shown here");
    this.place = start;
    return undefined;
  }

  learned() {
    this.need("(");
    const learned = { learned: NaN, positive: false };
    do {
      if (this.is(")")) break;
      if (this.next.kind === "word") {
        const name = this.take().value;
        this.need("=");
        if (name === "start") learned.learned = this.number();
        else if (name === "positive") learned.positive = this.value("positive");
        else throw new TextError(`Learnable has no argument ${name}`);
      } else learned.learned = this.number();
    } while (this.skip(","));
    this.need(")");
    const { learned: start, positive } = learned;
    if (!Number.isFinite(start) || typeof positive !== "boolean" || (positive && start <= 0)) {
      throw new TextError("Learnable: start must be a number, above 0 if it is positive");
    }
    return learned;
  }

  call(of) {
    const { kind, value: name } = this.take();
    const about = kind === "word" ? own(known[of], name) : undefined;
    if (!about || about.family === "combinations") {
      throw new TextError(`${name} is none of the ${of} that the library knows`);
    }
    return this.filled(of, name, {});
  }

  /** Name(arguments), each checked to be one that it takes. */
  filled(of, name, given) {
    const about = known[of][name];
    return this.deeper(() => {
      this.need("(");
      const free = about.parameters.filter((parameter) => !(parameter.name in given));
      let position = 0;
      while (!this.is(")")) {
        const [first, second] = [this.next, this.tokens[this.place + 1]];
        const named = first.kind === "word" && second?.kind === "sign" && second.value === "=";
        const wanted = named ? first.value : free[position++]?.name;
        if (named) this.place += 2;
        const parameter = free.find((each) => each.name === wanted);
        if (!parameter) throw new TextError(`${name} takes no such argument`);
        if (Object.hasOwn(given, wanted)) throw new TextError(`${name}: ${wanted} is given twice`);
        given[wanted] = this.value(wanted, parameter.kind);
        if (!this.skip(",")) break;
      }
      this.need(")");
      for (const { name: each, default: usual } of about.parameters) {
        if (Object.hasOwn(given, each)) continue;
        if (usual === undefined) throw new TextError(`${name} needs ${each}`);
        given[each] = structuredClone(usual);
      }
      return part(name, given, of);
    });
  }

  value(name, kind) {
    if (this.next.kind === "quoted") return this.take().value;
    const words = { None: null, True: true, False: false };
    if (this.next.kind === "word" && Object.hasOwn(words, this.next.value))
      return words[this.take().value];
    if (kind === "function") return this.call("functions");
    if (isDerivative(kind)) return this.sum();
    if (this.skip("(")) {
      const list = [];
      while (!this.is(")")) {
        list.push(this.number());
        if (!this.skip(",")) break;
      }
      this.need(")");
      return list;
    }
    return this.number();
  }
}

/** A node, whose arguments are in the order of the library. */
function part(name, given, of = "derivatives") {
  const ordered = known[of][name].parameters.map(({ name: each }) => [each, given[each]]);
  return { of, name, arguments: Object.fromEntries(ordered) };
}

function multiplied(left, right) {
  const isNumber = (each) => typeof each === "number" || "learned" in each;
  if (isNumber(left) && isNumber(right))
    throw new TextError("derivatives combine by a + b, a - b, a * b and number * a");
  if (isNumber(left)) return part("Multiple", { factor: left, derivative: right });
  if (isNumber(right)) return part("Multiple", { factor: right, derivative: left });
  if (isA("pointwise", right)) return part("Product", { left, right });
  if (isA("pointwise", left)) return part("Product", { left: right, right: left });
  throw new TextError("a product is of two derivatives of which one is pointwise");
}

/** The number, whether it is learned or not. */
const settled = (value) =>
  value !== null && typeof value === "object" && "learned" in value ? value.learned : value;

/** Whether an argument of this kind is a derivative. */
const isDerivative = (kind) => ["derivative", "linear", "pointwise"].includes(kind);

/** Whether a derivative is "linear" or "pointwise": if it can be, and its parts are. */
function isA(kind, node) {
  const parts = Object.values(node.arguments).filter(isNode);
  if (node.name === "DerivativeOf" && kind === "pointwise") {
    return parts.every((each) => aboutOf(each).has_slope);
  }
  return (
    aboutOf(node)[kind] && parts.every((each) => each.of === "functions" || isA(kind, each))
  );
}

/** Throws a TextError unless the library would take the node: each argument in its limits. */
function check(node) {
  const about = aboutOf(node);
  for (const parameter of about.parameters) {
    const value = node.arguments[parameter.name];
    if (value === null && parameter.optional) continue;
    const allowed = refusal(parameter, value, node);
    if (allowed) throw new TextError(`${node.name}: ${parameter.name} must be ${allowed}`);
    if (isNode(value)) check(value);
  }
  if (about.one_of.length && about.one_of.every((name) => node.arguments[name] === null)) {
    throw new TextError(`${node.name}: ${about.one_of.join(" or ")} must be given`);
  }
}

/** What would be allowed, if the value of an argument isn't. */
function refusal(parameter, value, node) {
  const { kind, low, high, choices } = parameter;
  const inRange = (number) => Number.isFinite(number) && low <= number && number <= high;
  if (kind === "choice") return choices.includes(value) ? "" : `one of ${choices.join(", ")}`;
  if (kind === "numbers") {
    const fine =
      Array.isArray(value) && value.length >= 1 && value.length <= 8 && value.every(inRange);
    return fine ? "" : `one to eight numbers from ${low} to ${high}`;
  }
  if (kind === "number" || kind === "integer") {
    const number = settled(value);
    if (typeof number !== "number" || !inRange(number)) return `from ${low} to ${high} here`;
    if (kind === "integer" && !Number.isInteger(number)) return "an integer";
    if (number !== value && !parameter.may_vary) return "fixed";
    const broken = parameter.bounds.find((bound) => !withinBound(number, bound, node));
    return broken ? `${broken.word} ${broken.sign < 0 ? "−" : ""}${broken.other}` : "";
  }
  if (!isNode(value) || (value.of === "functions") !== (kind === "function")) return `a ${kind}`;
  if (kind === "linear" && !isA(kind, value)) return "independent of the upstream gradient";
  return kind === "pointwise" && !isA(kind, value) ? "pointwise" : "";
}

/** Whether a number keeps a limit that another argument sets. */
function withinBound(number, { word, other, sign }, node) {
  const limit = settled(node.arguments[other]);
  if (limit === null) return true;
  const place = number - sign * limit;
  return { above: place > 0, least: place >= 0, below: place < 0, most: place <= 0 }[word];
}

/** The pair that a text stands for. Throws a TextError if it is none, or out of bounds. */
function readPair(text) {
  const pair = new PairReader(text).pair();
  check(pair.function);
  check(pair.derivative);
  return pair;
}

/** A number as Python prints it. */
function printed(value, kind) {
  if (value === null) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return `'${value}'`;
  if (Array.isArray(value)) {
    const list = value.map((each) => printed(each, "number")).join(", ");
    return value.length === 1 ? `(${list},)` : `(${list})`;
  }
  if (typeof value === "object") {
    const positive = value.positive ? ", positive=True" : "";
    return `Learnable(${printed(value.learned, "number")}${positive})`;
  }
  return kind !== "integer" && Number.isInteger(value) ? `${value}.0` : String(value);
}

const isSum = (node) => node.name === "Sum";
const grouped = (node) =>
  combining.includes(node.name) ? `(${printNode(node)})` : printNode(node);

/** A function or derivative as text, without the arguments that keep their default. */
function printNode(node) {
  const { name, arguments: given } = node;
  const groupedSum = (each) => (isSum(each) ? grouped(each) : printNode(each));
  if (isSum(node)) return `${printNode(given.left)} + ${groupedSum(given.right)}`;
  if (name === "Product") return `${groupedSum(given.left)} * ${grouped(given.right)}`;
  if (name === "Multiple")
    return `${printed(given.factor, "number")} * ${grouped(given.derivative)}`;
  const about = aboutOf(node);
  const method = Object.keys(methods).find((each) => methods[each] === name);
  const shown = about.parameters
    .filter((parameter) => !(method && parameter.name === "derivative"))
    .filter(
      (parameter) =>
        parameter.default === undefined ||
        JSON.stringify(parameter.default) !== JSON.stringify(given[parameter.name]),
    )
    .map(({ name: each, kind }) => {
      const value = given[each];
      return `${each}=${isNode(value) ? printNode(value) : printed(value, kind)}`;
    })
    .join(", ");
  return method ? `${grouped(given.derivative)}.${method}(${shown})` : `${name}(${shown})`;
}

const printPair = (pair) => `${printNode(pair.function)} / ${printNode(pair.derivative)}`;
