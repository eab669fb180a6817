/* The parts of the composer that are loaded when first asked for: the formatting bar, emoji, and the preview. */
import {reason} from '../lib/reasons.js';
import {el, icon, press} from '../lib/dom.js';
import {safeHtml} from '../lib/html.js';

/**
 * What a part works on.
 * @typedef {object} Place
 * @property {HTMLTextAreaElement} input
 * @property {HTMLElement} foot parts stand before it
 * @property {any} button that opens the part and shuts it
 * @property {import('../lib/i18n.js').Translate} t
 * @property {(method: string, path: string, options?: import('../lib/session.js').CallOptions) => Promise<any>} api
 * @property {(text: HTMLElement) => void} [shown] told of a text that is shown
 */

// What goes before and after the selection, and the icon; their names are in `marks` of the locales.
const MARKS = [
  ['**', '**', 'M6 4h4.5a3 3 0 0 1 0 6H6zM6 10h5.5a3 3 0 0 1 0 6H6z'],
  ['*', '*', 'M8.5 4H14M6 16h5.5M11.5 4l-3 12'],
  ['~~', '~~', 'M4 10h12M13.5 6.5C13 5 11.7 4 10 4 8 4 6.5 5.2 6.5 7M6.5 13.5C7 15 8.3 16 10 16c2 0 3.5-1.2 3.5-3'],
  ['`', '`', 'M7 6l-4 4 4 4M13 6l4 4-4 4'],
  ['\n> ', '', 'M8 6H4v4h4zm0 4c0 2-1 3.5-3 4M16 6h-4v4h4zm0 4c0 2-1 3.5-3 4'],
  ['\n- ', '', 'M8 5h8M8 10h8M8 15h8M4 5h.01M4 10h.01M4 15h.01'],
  ['[', '](https://)', 'M8.5 11.5l3-3M9 6l1.5-1.5a3.5 3.5 0 0 1 5 5L14 11M11 14l-1.5 1.5a3.5 3.5 0 0 1-5-5L6 9'],
];
// In groups: faces, hands, people's things, signs.
const EMOJI = (
  '🙂 😀 😃 😄 😁 😂 🤣 😊 😉 😍 😘 😎 🤩 🥳 🤔 🤨 😐 🙄 😏 😌 😴 😮 😳 🥺 😢 😭 😤 😡 🤯 😱 🤗 🤭 🤫 🙈 ' +
  '👍 👎 👏 🙌 🙏 💪 👋 🤝 👌 ✌️ 🤞 👀 🧠 ' +
  '🎉 🎂 🎁 🏆 🔥 ⭐ ✨ ☀️ 🌧️ 🌈 🌱 🌳 🌸 🐱 🐶 🦊 🍞 🍕 ☕ 🍺 🚗 🚲 ✈️ 🏠 💻 📷 📚 🎵 ⚽ ' +
  '❤️ 🧡 💛 💚 💙 💜 🖤 💔 ✅ ❌ ❓ ❗ 💯 💡 ⏳ 🔒 🔗 📌'
).split(' ');
// How long after the last key the preview follows.
const PAUSE = 500;

/**
 * @param {Place} o
 * @param {string} before
 * @param {string} after
 */
function put({input}, before, after) {
  const {selectionStart: from, selectionEnd: to, value} = input;
  const chosen = value.slice(from, to);
  if (before[0] === '\n' && (!from || value[from - 1] === '\n')) before = before.slice(1);
  input.setRangeText(before + chosen + after, from, to, 'end');
  if (after) input.setSelectionRange(from + before.length, from + before.length + chosen.length);
  input.dispatchEvent(new Event('input', {bubbles: true}));
}

/** @param {Place} o */
function marks(o) {
  const names = o.t('marks').split('|');
  return el(
    'div.mc-editor',
    {role: 'toolbar', 'aria-label': o.t('format')},
    MARKS.map((m, i) => {
      const onclick = () => {
        put(o, m[0], m[1]);
        o.input.focus();
      };
      return press('mc-mark', {title: names[i], 'aria-label': names[i], tabindex: i ? -1 : 0, onclick}, icon(m[2]));
    }),
  );
}

/** @param {Place} o */
function emoji(o) {
  return el(
    'div.mc-emoji',
    {role: 'toolbar', 'aria-label': o.t('emoji')},
    EMOJI.map((e, i) => press('mc-mark', {'aria-label': e, tabindex: i ? -1 : 0, onclick: () => put(o, e, '')}, e)),
  );
}

/**
 * The text as the server renders it: what is shown is what will stand there.
 * @param {Place} o
 */
function preview(o) {
  const text = el('div.mc-text');
  const node = el('div.mc-preview', {role: 'region', 'aria-label': o.t('preview'), tabindex: 0}, text);
  /** @type {number | undefined} */
  let timer;
  /** @type {string | undefined} */
  let shown;
  let asked = 0;
  /** @param {Node} content */
  function show(content) {
    text.replaceChildren(content);
    [...text.children].forEach(child => {
      /** @type {HTMLElement} */ (child).dir = 'auto';
    });
    node.classList.remove('mc-busy');
    if (o.shown) o.shown(text);
  }
  function ask() {
    const value = o.input.value.trim();
    const mine = ++asked;
    if (value === shown) return node.classList.remove('mc-busy');
    if (!value) {
      shown = value;
      return show(el('span.mc-hint', null, o.t('nothing')));
    }
    o.api('POST', '/comments/preview', {body: {text: value}}).then(
      data => {
        if (mine !== asked) return;
        shown = value;
        show(safeHtml(data.html));
      },
      error => {
        if (mine !== asked) return;
        // Too many questions in a short time: asked again when the server takes one.
        if (error.status === 429) timer = setTimeout(ask, 1000 * Math.max(1, error.retry || 1));
        else show(el('span.mc-hint', null, reason(o.t, error)));
      },
    );
  }
  function later() {
    node.classList.add('mc-busy');
    clearTimeout(timer);
    timer = setTimeout(ask, PAUSE);
  }
  o.input.addEventListener('input', later);
  /** @type {any} */ (node).end = () => {
    asked++;
    clearTimeout(timer);
    o.input.removeEventListener('input', later);
  };
  ask();
  return node;
}

const PARTS = {bar: marks, emoji, preview};

/**
 * Opens a part, or shuts it.
 * @param {keyof typeof PARTS} kind
 * @param {Place} o
 */
export function openEditorPart(kind, o) {
  const {button} = o;
  function shut() {
    if (button.panel.end) button.panel.end();
    button.panel.remove();
    button.panel = null;
    button.setAttribute('aria-expanded', 'false');
  }
  if (button.panel) return shut();
  const node = (button.panel = PARTS[kind](o));
  node.addEventListener('keydown', event => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    shut();
    button.focus();
  });
  o.foot.before(node);
  button.setAttribute('aria-expanded', 'true');
  // To the bar by the keyboard alone: who clicks goes on writing.
  if (kind === 'bar') o.input.focus();
  else if (kind === 'emoji') /** @type {HTMLElement} */ (node.firstChild).focus();
}
