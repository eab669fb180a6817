/* Polls in what staff writes: a line [poll 7] shows the site's poll of that number below the text.

   It stands in a tree of its own: no style of comments reaches it, and none of its own reaches them. */
import {el} from '../../../web/lib/dom.js';
import {href, loader} from '../../../web/lib/loader.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

const LINE = /^\s*\[poll ([1-9]\d{0,17})\]\s*$/;
// Polls of one comment.
const MOST = 3;

/** @param {Node | null} node */
const isEnd = node => !node || node.nodeName === 'BR';

/**
 * The lines of a text that are nothing but the name of a poll, by its id: the first of each.
 * @param {HTMLElement} text
 */
function namedIn(text) {
  /** @type {Map<string, Text>} */
  const found = new Map();
  [...text.children].forEach(part => {
    if (part.localName !== 'p') return;
    part.childNodes.forEach(node => {
      const alone = node.nodeType === 3 && isEnd(node.previousSibling) && isEnd(node.nextSibling);
      const named = alone && LINE.exec(/** @type {Text} */ (node).data);
      if (named && !found.has(named[1]) && found.size < MOST) found.set(named[1], /** @type {Text} */ (node));
    });
  });
  return found;
}

/**
 * Its own line goes once the poll stands there.
 * @param {Text} line
 */
function takeAway(line) {
  const part = line.parentElement;
  if (!part) return;
  if (line.nextSibling) line.nextSibling.remove();
  else if (line.previousSibling) line.previousSibling.remove();
  line.remove();
  if (!part.childNodes.length) part.remove();
}

/**
 * Shows the polls that a comment names; those that stood there before it was drawn anew are the same.
 * @param {Comments} w
 * @param {Item} item
 */
export function showPolls(w, item) {
  const lines = namedIn(item.text);
  if (!loader.config.bundles.Poll || !lines.size) return;
  /** @type {Map<string, HTMLElement>} */
  const before = item.polls || new Map();
  item.polls = new Map();
  lines.forEach((line, id) => {
    takeAway(line);
    item.polls.set(id, before.get(id) || placeFor(w, id));
  });
  item.acts.before(el('div.mc-polls', null, [...item.polls.values()]));
}

/**
 * Where a poll is going to stand. Nothing of it is loaded before it comes near the window.
 * @param {Comments} w
 * @param {string} id
 */
function placeFor(w, id) {
  const place = el('div.mc-poll');
  const near = new IntersectionObserver(
    entries => {
      if (!entries.some(one => one.isIntersecting)) return;
      near.disconnect();
      if (!w.closed) load(w, place, id);
    },
    {rootMargin: '300px'},
  );
  near.observe(place);
  w.closers.push(() => near.disconnect());
  return place;
}

/**
 * @param {Comments} w
 * @param {HTMLElement} place
 * @param {string} id
 */
async function load(w, place, id) {
  const {bundles, locales} = loader.config;
  const {js, css, words = []} = bundles.Poll;
  const {lang} = w.mounted;
  const short = lang.slice(0, 2);
  const token = w.session.grant();
  const me = w.session.view();
  const query = {widget: 'Poll', site: w.site, pollId: id, ...(token && {token}), ...(me && {me})};
  const first = loader.get('/bootstrap?' + new URLSearchParams(query));
  first.catch(() => {});
  const node = el('div');
  // A copy of ours has the nonce that the page's policy may ask for.
  const ours = document.querySelector('link[href*="/comments.css"]');
  const sheets = css.map(path => {
    const sheet = /** @type {HTMLLinkElement} */ (ours ? ours.cloneNode() : el('link', {rel: 'stylesheet'}));
    sheet.href = href(path);
    return sheet;
  });
  (place.shadowRoot || place.attachShadow({mode: 'open'})).replaceChildren(...sheets, node);
  const more = locales.includes(short) ? words.map(path => path.replace('*', short)) : [];
  try {
    await loader.files([...js, ...more]);
  } catch {
    setTimeout(() => w.closed || load(w, place, id), 1e4);
    return;
  }
  /** @type {import('../../../web/lib/loader.js').Mounted} */
  const mounted = {
    // Who the visitor is, and the look, are the same; the page's functions are told of comments alone.
    options: {...w.mounted.options, token, callback: null},
    site: w.site,
    page: {},
    node,
    lang,
    ask: {pollId: id},
    first,
  };
  if (w.closed) return;
  loader.widgets.Poll(mounted);
  w.closers.push(() => /** @type {any} */ (mounted.widget)?.close());
}
