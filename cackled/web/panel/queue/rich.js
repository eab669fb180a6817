// HTML that the server made of a visitor's text, as nodes: an allow-list walks it, so that nothing else can come in.
import {h, useMemo} from '../libraries.js';

const ALLOWED = new Set(
  'P BR STRONG B EM I S DEL U CODE PRE BLOCKQUOTE UL OL LI A SPAN H1 H2 H3 H4 TABLE THEAD TBODY TR TH TD HR SUP SUB DETAILS SUMMARY'.split(
    ' ',
  ),
);
const MOST = 5_000;

/** @type {{createHTML: (text: string) => any}} */
const policy = /** @type {any} */ (window).trustedTypes?.createPolicy('cackled-parse', {
  createHTML: (/** @type {string} */ text) => text,
}) ?? {createHTML: (/** @type {string} */ text) => text};

/**
 * @param {Node} node
 * @param {{left: number}} room
 * @returns {any}
 */
function walk(node, room) {
  if (room.left-- <= 0) return null;
  if (node.nodeType === Node.TEXT_NODE) return node.nodeValue;
  if (!(node instanceof Element)) return null;
  const children = [...node.childNodes].map(one => walk(one, room));
  if (!ALLOWED.has(node.tagName)) return children;
  /** @type {Record<string, string>} */
  const attributes = {};
  if (node.tagName === 'A') {
    const href = node.getAttribute('href') || '';
    // Where a link of a visitor leads is looked at before it is followed.
    if (/^https?:\/\//i.test(href))
      Object.assign(attributes, {href, title: href, target: '_blank', rel: 'noopener noreferrer nofollow ugc'});
  }
  return h(node.tagName.toLowerCase(), attributes, children);
}

/** @param {string} text HTML */
function parse(text) {
  // A document of its own, in which nothing is loaded and nothing runs.
  const parsed = new DOMParser().parseFromString(policy.createHTML(text), 'text/html');
  const room = {left: MOST};
  return [...parsed.body.childNodes].map(one => walk(one, room));
}

/** @param {{text: string}} props *text*: HTML */
export function Rich({text}) {
  return h(
    'div',
    {class: 'rich', dir: 'auto'},
    useMemo(() => parse(text), [text]),
  );
}
