/* Formulas: TeX stands in a text as code, and is shown as the MathML that the server makes of it. What it can't make any of
   stays as it was typed. All of a moment are asked for together. */
import {el} from '../../../web/lib/dom.js';

/** @typedef {(method: string, path: string) => Promise<any>} Api */
/** @typedef {{tex: string, block: boolean, show: (mathml: string | null) => void}} Wanted */

const NS = 'http://www.w3.org/1998/Math/MathML';
const KEPT = new Set(
  (
    'math mrow mi mn mo mtext mspace ms mfrac msqrt mroot mstyle msub msup msubsup munder mover munderover mmultiscripts ' +
    'mprescripts none mtable mtr mtd mphantom mpadded'
  ).split(' '),
);
const ATTRIBUTES =
  /^(display|mathvariant|mathcolor|stretchy|fence|separator|form|accent|accentunder|symmetric|largeop|movablelimits|displaystyle|scriptlevel|columnalign|rowalign|columnlines|rowlines|width|height|depth|lspace|rspace|linethickness|minsize|maxsize)$/;
// Characters of one address, and formulas of one call; milliseconds that others are waited for.
const LONGEST = 5000;
const MOST = 50;
const PAUSE = 20;

/** @type {Map<string, string | null>} */
const known = new Map();
/** @type {Map<Api, Wanted[]>} */
const waiting = new Map();

/** @param {Wanted} one */
const keyOf = ({tex, block}) => +block + tex;

/** @param {string} text */
const decode = text =>
  text.replace(
    /&(lt|gt|quot|amp|#x27);/g,
    (_, name) => ({lt: '<', gt: '>', quot: '"', amp: '&'})[/** @type {'lt'} */ (name)] || "'",
  );

/**
 * The nodes of MathML as our server writes it: known elements and attributes alone.
 * @param {string} mathml
 * @returns {Element | null}
 */
export function mathNodes(mathml) {
  const root = document.createElementNS(NS, 'math');
  /** @type {Element[]} */
  const stack = [];
  for (const [, end, name, given, text] of mathml.matchAll(/<(\/?)([a-z]+)((?: [a-z]+="[^"<>]*")*)>|([^<]+)/g)) {
    const top = stack[stack.length - 1];
    if (text !== undefined) {
      if (top) top.append(decode(text));
    } else if (end) {
      stack.pop();
    } else {
      if (!KEPT.has(name) || (name === 'math') !== !top) return null;
      const node = top ? document.createElementNS(NS, name) : root;
      for (const [, key, value] of given.matchAll(/ ([a-z]+)="([^"]*)"/g))
        if (ATTRIBUTES.test(key)) node.setAttribute(key, value);
      if (top) top.append(node);
      stack.push(node);
    }
  }
  return root.firstChild ? root : null;
}

/**
 * Asks for what waits, in as few calls as there may be.
 * @param {Api} api
 */
function ask(api) {
  const all = waiting.get(api) || [];
  waiting.delete(api);
  while (all.length) {
    /** @type {Map<string, Wanted[]>} */
    const some = new Map();
    const query = new URLSearchParams();
    while (all.length) {
      const one = all[0];
      const key = keyOf(one);
      const same = some.get(key);
      if (same) same.push(one);
      else {
        const longer = new URLSearchParams([[one.block ? 'block' : 'inline', one.tex]]).toString().length;
        if (longer > LONGEST) {
          // Too long to be asked for.
          all.shift();
          continue;
        }
        if (some.size === MOST || query.toString().length + longer > LONGEST) break;
        query.append(one.block ? 'block' : 'inline', one.tex);
        some.set(key, [one]);
      }
      all.shift();
    }
    if (!some.size) return;
    api('GET', '/formulas?' + query).then(
      answer => {
        const next = {inline: 0, block: 0};
        for (const [key, same] of some) {
          const kind = same[0].block ? 'block' : 'inline';
          const made = answer[kind][next[kind]++];
          known.set(key, typeof made === 'string' ? made : null);
          same.forEach(one => one.show(known.get(key) || null));
        }
      },
      () => {
        // It can be read as it was typed.
      },
    );
  }
}

/**
 * Shows the formulas of a text.
 * @param {ParentNode} text
 * @param {Api} api
 */
export function showFormulas(text, api) {
  text.querySelectorAll('code[data-language^=math]').forEach(node => {
    const code = /** @type {HTMLElement} */ (node);
    const language = code.dataset.language;
    if (language !== 'math' && language !== 'math-display') return;
    const tex = /** @type {string} */ (code.textContent).trim();
    const pre = code.parentElement && code.parentElement.localName === 'pre' ? code.parentElement : null;
    const block = !!pre || language === 'math-display';
    /** @param {string | null} mathml */
    const show = mathml => {
      const math = mathml && mathNodes(mathml);
      if (!math || !code.isConnected) return;
      math.setAttribute('alttext', tex);
      (pre || code).replaceWith(block ? el('span.mc-formula', {tabindex: 0, role: 'group', dir: 'ltr'}, math) : math);
    };
    const one = {tex, block, show};
    const made = known.get(keyOf(one));
    if (made !== undefined) return show(made);
    const all = waiting.get(api);
    if (all) all.push(one);
    else {
      waiting.set(api, [one]);
      setTimeout(() => ask(api), PAUSE);
    }
  });
}
