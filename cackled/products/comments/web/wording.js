/* Texts of comments once they stand: spoilers that open, code in colours, and what is quoted of them. */
import {showAlbum} from './album.js';
import {flash} from './flash.js';
import {showProfile} from './identity.js';
import {openReply} from './sending.js';
import {laterId} from './reckon.js';
import {focusOn} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {untilThere} from '../../../web/lib/late.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

// A selection that was lost so many milliseconds ago, by pressing a button, is still meant.
const LAPSE = 1000;
// Characters of a text that is quoted whole.
const WHOLE = 300;
/** How each widget asks for formulas. @type {WeakMap<Comments, import('./formulas.js').Api>} */
const askers = new WeakMap();

/** @param {Comments} w */
export function watchTexts(w) {
  /** @param {any} event */
  function open(event) {
    const node = event.target.closest('.mc-spoiler[role], .mc-mention');
    if (!node || (event.type === 'keydown' && event.key !== 'Enter' && event.key !== ' ')) return;
    event.preventDefault();
    if (node.dataset.mention) {
      const {mention: id} = node.dataset;
      const items = [...w.store.items.values()].filter(one => one.c.author && one.c.author.id === id && !one.away);
      const last = items.sort((x, y) => laterId(y.c.id, x.c.id))[0];
      // Guests have no card: what they said last tells who they are.
      if (!last || last.c.author.badges)
        showProfile(w, node, last ? last.c.author : {id, name: node.textContent.slice(1)});
      else {
        last.node.scrollIntoView({block: 'center'});
        flash(last);
        focusOn(last.node);
      }
      return;
    }
    ['role', 'aria-label', 'aria-expanded'].forEach(name => node.removeAttribute(name));
    node.tabIndex = -1;
  }
  w.listen(w.node, 'click', open);
  w.listen(w.node, 'keydown', open);
  w.listen(document, 'selectionchange', () => {
    const chosen = getSelection();
    const text = chosen && !chosen.isCollapsed ? chosen.toString().trim() : '';
    const from = text && chosen && chosen.anchorNode;
    const node = from && (from.nodeType === 1 ? /** @type {Element} */ (from) : from.parentElement);
    const body = node && node.closest('.mc-text');
    if (body && w.node.contains(body)) w.chosen = {text, body, at: Infinity};
    else if (w.chosen && w.chosen.at === Infinity) w.chosen.at = Date.now();
  });
}

/**
 * What few texts have: code that has a language, videos, and polls that staff names.
 * @param {Comments} w
 * @param {Item} item
 */
export function enrich(w, item) {
  const {c, text} = item;
  if (!text) return;
  showAlbum(item);
  showLinks(w, item);
  typeset(w, text);
  const me = w.session.visitor();
  text.querySelectorAll('[data-mention]').forEach((/** @type {HTMLElement} */ node) => {
    node.tabIndex = 0;
    node.setAttribute('role', 'button');
    node.setAttribute('aria-haspopup', 'dialog');
    node.classList.add('mc-mention');
    node.classList.toggle('mc-me', node.dataset.mention === me);
    const place = el('span.mc-who-wrote');
    node.replaceWith(place);
    place.append(node);
  });
  const codes = text.querySelectorAll(
    w.settings.math ? '[data-language]:not([data-language^=math])' : '[data-language]',
  );
  // It can be read without, until they are there.
  if (codes.length)
    untilThere(() => import('../../../web/lib/highlight.js')).then(({highlight}) =>
      codes.forEach((/** @type {any} */ one) => highlight(one)),
    );
  if (/youtu|vimeo\.com/.test(c.html))
    untilThere(() => import('./videos.js')).then(({showVideos}) => {
      if (!w.closed && item.text === text) showVideos(w, item);
    });
  // A badge of the server's: no name and no text makes somebody staff.
  if (c.author && (c.author.badges || []).includes('staff') && /\[poll \d/.test(c.html))
    untilThere(() => import('./embed.js')).then(({showPolls}) => {
      if (!w.closed && item.text === text) showPolls(w, item);
    });
}

/**
 * Previews of links, in the row that was kept for them; where the site wants none any more nothing of it is left.
 * @param {Comments} w
 * @param {Item} item
 */
function showLinks(w, item) {
  const {album, c} = item;
  if (!album || !c.links) return;
  if (w.settings.previews)
    // The links themselves are there.
    untilThere(() => import('./cards.js')).then(({showCards}) => {
      if (!w.closed && item.album === album) showCards(item, album);
    });
  else if (!c.media) {
    album.remove();
    item.album = null;
  }
}

/**
 * Shows the formulas of a text, where the site has some.
 * @param {Comments} w
 * @param {ParentNode} text
 */
export function typeset(w, text) {
  if (!w.settings.math || !text.querySelector('[data-language^=math]')) return;
  // It can be read without.
  untilThere(() => import('./formulas.js')).then(({showFormulas}) => {
    const api = askers.get(w) || ((/** @type {string} */ method, /** @type {string} */ path) => w.api(method, path));
    askers.set(w, api);
    showFormulas(text, api);
  });
}

/**
 * What is selected of a comment's text, or was when a button was pressed; '' if nothing is.
 * @param {Comments} w
 * @param {Item} item
 */
function chosenOf(w, item) {
  const {chosen} = w;
  return chosen && chosen.body === item.text && Date.now() - chosen.at < LAPSE ? chosen.text : '';
}

/** @param {string} text */
const quoted = text =>
  text
    .split('\n')
    .map(line => '> ' + line)
    .join('\n') + '\n\n';

/**
 * A reply that begins with what is selected of the comment, or, where it was asked for, with how the comment begins.
 * @param {Comments} w
 * @param {Item} item
 * @param {boolean} [asked]
 */
export function replyQuoting(w, item, asked) {
  let text = chosenOf(w, item);
  w.chosen = null;
  if (!text && asked) {
    // Line by line, as it is shown.
    text = item.text.innerText.trim().replace(/\n{3,}/g, '\n\n');
    if (text.length > WHOLE) text = text.slice(0, WHOLE).replace(/\s+\S*$/, '') + ' …';
  }
  openReply(w, item);
  const {form} = item;
  if (!text || !form || !form.input) return;
  const {value} = form.input;
  form.set((value.trim() ? value.replace(/\s*$/, '\n\n') : value) + quoted(text));
  form.input.setSelectionRange(form.input.value.length, form.input.value.length);
  form.input.dispatchEvent(new Event('input', {bubbles: true}));
}

/**
 * Who wrote here, the latest first.
 * @param {Comments} w
 * @returns {{id: string, name: string, avatar?: string}[]}
 */
export function peopleHere(w) {
  const me = w.session.visitor();
  const written = [...w.store.items.values()].map(item => item.c).concat([...w.store.waiting.values()]);
  const others = written.filter(c => c.author && c.author.id !== me && !w.store.blocked.has(c.author.id));
  return others.sort((a, b) => laterId(b.id, a.id)).map(c => c.author);
}
