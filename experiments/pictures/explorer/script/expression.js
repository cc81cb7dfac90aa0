// Entries of the atlas's matrices: small arithmetic with the free parameters α β γ δ.

const greek = ["α", "β", "γ", "δ"];
const spelled = { alpha: "α", beta: "β", gamma: "γ", delta: "δ" };
const longestEntry = 30;

class ExpressionReader extends Reader {
  constructor(text) {
    if (text.length > longestEntry) throw new TextError(`at most ${longestEntry} characters`);
    super(text.replaceAll("−", "-").replaceAll("·", "*"));
  }

  /** A function of the values of α β γ δ. */
  expression() {
    return this.deeper(() => {
      let left = this.term();
      for (;;) {
        const first = left;
        if (this.skip("+")) {
          const second = this.term();
          left = (free) => first(free) + second(free);
        } else if (this.skip("-")) {
          const second = this.term();
          left = (free) => first(free) - second(free);
        } else return left;
      }
    });
  }

  term() {
    let left = this.factor();
    for (;;) {
      const first = left;
      if (this.skip("*")) {
        const second = this.factor();
        left = (free) => first(free) * second(free);
      } else if (this.skip("/")) {
        const second = this.factor();
        left = (free) => first(free) / second(free);
      } else return left;
    }
  }

  factor() {
    return this.deeper(() => {
      if (this.skip("-")) {
        const negated = this.factor();
        return (free) => -negated(free);
      }
      if (this.skip("(")) {
        const inner = this.expression();
        this.need(")");
        return inner;
      }
      const { kind, value } = this.take();
      if (kind === "number") return () => value;
      const name = own(spelled, value) ?? value;
      if (greek.includes(name)) return (free) => free[greek.indexOf(name)];
      if (value === "sin" || value === "cos") {
        this.need("(");
        const inner = this.expression();
        this.need(")");
        return (free) => Math[value](inner(free));
      }
      throw new TextError(`can't read ${value}`);
    });
  }
}

/** An entry as a function of [α, β, γ, δ]. Throws a TextError if it can't be read. */
function readExpression(text) {
  const reader = new ExpressionReader(text);
  const value = reader.expression();
  reader.end();
  return value;
}
