/* The templates of ReviewRating: the part of doT that pages use, read and evaluated here; nothing of a page is compiled.

   {{=value}} puts a value, {{!value}} too; {{? value}} .. {{?? value}} .. {{??}} .. {{?}} chooses. A value is made of
   it.name, numbers, strings, ( ), ! - * / % + - < <= > >= == === != !== && || and ? : */

/** @typedef {string | number | boolean | undefined} Value */
/** @typedef {Record<string, Value>} Given */
/** @typedef {(it: Given) => Value} Expression */

// Whatever a page writes: no template is longer, no value nests deeper.
const LONGEST = 10_000;
const DEEPEST = 30;
const TOKEN =
  /\s*(?:(\d+(?:\.\d+)?)|it\.([a-z_]\w*)|'([^'\\]*)'|"([^"\\]*)"|(===|!==|==|!=|<=|>=|&&|\|\||[-+*/%<>!?:()]))/iy;
/** @type {Record<string, number>} how strongly each holds */
const BINDS = {
  '||': 1,
  '&&': 2,
  '==': 3,
  '!=': 3,
  '===': 3,
  '!==': 3,
  '<': 4,
  '>': 4,
  '<=': 4,
  '>=': 4,
  '+': 5,
  '-': 5,
  '*': 6,
  '/': 6,
  '%': 6,
};

/** @type {Record<string, (a: any, b: any) => Value>} */
const DOES = {
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
  '===': (a, b) => a === b,
  '!==': (a, b) => a !== b,
  '<': (a, b) => a < b,
  '>': (a, b) => a > b,
  '<=': (a, b) => a <= b,
  '>=': (a, b) => a >= b,
  '+': (a, b) => a + b,
  '-': (a, b) => a - b,
  '*': (a, b) => a * b,
  '/': (a, b) => a / b,
  '%': (a, b) => a % b,
};

/** It is not written as templates are. */
export class BadTemplate extends Error {}

/**
 * @param {string} text
 * @returns {Expression}
 */
function expression(text) {
  /** @type {RegExpExecArray[]} */
  const tokens = [];
  TOKEN.lastIndex = 0;
  const end = text.trimEnd().length;
  while (TOKEN.lastIndex < end) {
    const found = TOKEN.exec(text);
    if (!found) throw new BadTemplate(text);
    tokens.push(found);
  }
  let at = 0;
  let depth = 0;
  const sign = () => (at < tokens.length ? tokens[at][5] : undefined);
  /** @param {string} what */
  const take = what => {
    if (sign() !== what) throw new BadTemplate(text);
    at++;
  };

  /** @returns {Expression} */
  function one() {
    const token = tokens[at++];
    if (!token || ++depth > DEEPEST) throw new BadTemplate(text);
    const [, number, name, single, double, mark] = token;
    /** @type {Expression} */
    let made;
    if (number !== undefined) made = () => +number;
    else if (name !== undefined) made = it => (Object.prototype.hasOwnProperty.call(it, name) ? it[name] : undefined);
    else if (single !== undefined || double !== undefined) made = () => single ?? double;
    else if (mark === '(') {
      made = choice();
      take(')');
    } else if (mark === '!' || mark === '-') {
      const of = one();
      made = mark === '!' ? it => !of(it) : it => -(/** @type {any} */ (of(it)));
    } else throw new BadTemplate(text);
    depth--;
    return made;
  }

  /**
   * @param {number} least
   * @returns {Expression}
   */
  function binary(least) {
    let left = one();
    for (;;) {
      const mark = sign();
      const strength = mark ? BINDS[mark] : 0;
      if (!mark || !strength || strength < least) return left;
      at++;
      const [first, second] = [left, binary(strength + 1)];
      if (mark === '&&') left = it => first(it) && second(it);
      else if (mark === '||') left = it => first(it) || second(it);
      else left = it => DOES[mark](first(it), second(it));
    }
  }

  /** @returns {Expression} */
  function choice() {
    const condition = binary(1);
    if (sign() !== '?') return condition;
    at++;
    if (++depth > DEEPEST) throw new BadTemplate(text);
    const yes = choice();
    take(':');
    const no = choice();
    depth--;
    return it => (condition(it) ? yes(it) : no(it));
  }

  const made = choice();
  if (at < tokens.length) throw new BadTemplate(text);
  return made;
}

/**
 * A function that fills a template in. It gives text and values in turn: values are never markup.
 * @param {string} text
 * @returns {(it: Given) => {text: string, name: string, value: Value}[]}
 * @throws {BadTemplate}
 */
export function template(text) {
  if (text.length > LONGEST) throw new BadTemplate(text.slice(0, 40));
  /** @typedef {(it: Given, out: {text: string, name: string, value: Value}[]) => void} Part */
  /** @typedef {{when: Expression, parts: Part[]}} Arm */
  /** @type {Part[][]} the list that is written to, and those around it */
  const open = [[]];
  /** @type {Arm[][]} of the choices that are open */
  const choices = [];
  for (const piece of text.split(/(\{\{[^]*?\}\})/)) {
    const list = open[open.length - 1];
    const inner = /^\{\{([^]*)\}\}$/.exec(piece);
    if (!inner) {
      if (piece) list.push((_, out) => out.push({text: piece, name: '', value: undefined}));
      continue;
    }
    const [, kind, rest] = /** @type {RegExpExecArray} */ (/^(=|!|\?\??)?([^]*)$/.exec(inner[1]));
    if (kind === '=' || kind === '!') {
      const value = expression(rest);
      const alone = /^\s*it\.(\w+)\s*$/.exec(rest);
      list.push((it, out) => out.push({text: '', name: alone ? alone[1] : '', value: value(it)}));
    } else if (kind === '?' && rest.trim()) {
      const arms = [{when: expression(rest), parts: /** @type {Part[]} */ ([])}];
      list.push((it, out) => {
        const arm = arms.find(one => one.when(it));
        if (arm) arm.parts.forEach(part => part(it, out));
      });
      choices.push(arms);
      open.push(arms[0].parts);
      if (open.length > DEEPEST) throw new BadTemplate(piece);
    } else if (kind && choices.length) {
      open.pop();
      if (kind === '?') choices.pop();
      else {
        const arm = {when: rest.trim() ? expression(rest) : () => true, parts: /** @type {Part[]} */ ([])};
        choices[choices.length - 1].push(arm);
        open.push(arm.parts);
      }
    } else throw new BadTemplate(piece);
  }
  if (choices.length) throw new BadTemplate(text.slice(0, 40));
  return it => {
    /** @type {{text: string, name: string, value: Value}[]} */
    const out = [];
    open[0].forEach(part => part(it, out));
    return out;
  };
}
