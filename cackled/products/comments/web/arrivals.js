/* What arrives: in place where that moves nothing, else behind "3 new comments"; what was seen, what is read out. */
import {flash} from './flash.js';
import {appendItem} from './item.js';
import {addHidden} from './live.js';
import {followingNode, reveal} from './paging.js';
import {isByTime} from './reckon.js';
import {postItem} from './sending.js';
import {isMine, nameOf, showCounts} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

// How many comments are read out by their authors and beginnings, and how much of each.
const READ_OUT = 3;
const BEGINNING = 90;

/**
 * @param {Comments} w
 * @param {Comment} c
 */
export function onArrived(w, c) {
  const {items, waiting, held, ghosts, blocked} = w.store;
  const parent = c.parent ? items.get(c.parent) : null;
  if (waiting.has(c.id)) return;
  // A post of ours that seemed to fail may have come through: asking again with its key settles it.
  const lost =
    isMine(w, c) && [...items.values()].reverse().find(i => i.c.pending && i.error && i.entry.parent === c.parent);
  if (lost) {
    held.push(c);
    return postItem(w, lost);
  }
  if (c.parent && !parent) {
    const ghost = ghosts.get(c.parent);
    if (ghost) {
      ghosts.delete(ghost.id);
      onArrived(w, ghost);
      return onArrived(w, c);
    }
    if (!waiting.has(c.parent)) {
      const root = items.get(c.root);
      const waits = waiting.get(c.root);
      if (root) addHidden(w, root, 1);
      else if (waits) waits.more++;
      return;
    }
  }
  if (c.author && blocked.has(c.author.id)) return insertItem(w, c);
  const place = placeOf(w, c, parent);
  if (place === 'above') waiting.set(c.id, {more: 0, ...c});
  else if (place === 'below') watchSeen(w, insertItem(w, c));
  else flash(insertItem(w, c));
  showPill(w);
  if (!c.deleted) announce(w, c);
}

/**
 * @param {Comments} w
 * @param {Comment} c
 */
function insertItem(w, c) {
  const ref = !c.parent && isByTime(w.sort) && followingNode(w, c.id);
  const parent = c.parent ? w.store.items.get(c.parent) : null;
  const item = appendItem(w, {replies: [], more: 0, ...c}, parent, !c.parent && !isByTime(w.sort));
  if (ref) ref.before(item.node);
  showCounts(w);
  return item;
}

/**
 * Where it would come for the reader: 'here', 'below' the window's edge, where it moves nothing, or 'above', where it
 * would.
 * @param {Comments} w
 * @param {Comment} c
 * @param {Item | null | undefined} parent
 */
function placeOf(w, c, parent) {
  const active = document.activeElement;
  const list = w.list.getBoundingClientRect();
  let place;
  if (c.parent && !parent) return 'above';
  // Who hasn't reached the comments yet reads none of them.
  if (list.top > innerHeight || !w.list.firstChild) return 'here';
  if (parent) {
    if (isFolded(parent)) return 'here';
    const last = parent.list && parent.list.lastElementChild;
    place = (last || parent.body).getBoundingClientRect().bottom;
  } else if (w.sort === 'old') {
    // It belongs on a page that isn't loaded.
    if (w.store.cursor) return 'above';
    place = list.bottom;
  } else place = list.top;
  if (place < 0) return 'above';
  if (place > innerHeight) return 'below';
  // Nothing is pushed away under the hands of somebody who writes below that place.
  const writes = active && w.node.contains(active) && /^(TEXTAREA|INPUT)$/.test(active.tagName);
  return writes && active.getBoundingClientRect().top > place ? 'above' : 'here';
}

/**
 * Told of until it has been seen.
 * @param {Comments} w
 * @param {Item} item
 */
export function watchSeen(w, item) {
  if (!w.reader.eye && window.IntersectionObserver) {
    const eye = new IntersectionObserver(entries => {
      entries.forEach(entry => {
        const seen = w.store.items.get(entry.target.id.slice(3));
        if (!entry.isIntersecting) return;
        eye.unobserve(entry.target);
        if (!seen) return;
        w.reader.unseen.delete(seen);
        flash(seen);
      });
      showPill(w);
    });
    w.reader.eye = eye;
    w.closers.push(() => eye.disconnect());
  }
  if (!w.reader.eye) return;
  w.reader.unseen.add(item);
  w.reader.eye.observe(item.node);
}

/** @param {Item} item */
function isFolded(item) {
  for (let one = /** @type {Item | null} */ (item); one; one = one.parent) {
    if (one.node.classList.contains('mc-collapsed')) return true;
  }
  return false;
}

/** @param {Comments} w */
export function showPill(w) {
  const {items, waiting} = w.store;
  let n = [...waiting.values()].filter(c => !c.deleted).length;
  w.reader.unseen.forEach(item => {
    if (items.get(item.c.id) === item) n++;
    else w.reader.unseen.delete(item);
  });
  w.pill.hidden = !n;
  if (n)
    w.pill.textContent =
      n === 1 && w.reader.own && w.reader.unseen.has(w.reader.own) ? w.t('below') : w.t('fresh', {n});
}

/** @param {Comments} w */
export function flushWaiting(w) {
  const {items, waiting} = w.store;
  /** @type {Item[]} */
  const shown = [...w.reader.unseen];
  waiting.forEach(c => {
    const root = c.parent && items.get(c.root);
    if (items.has(c.id)) return;
    if (c.parent && !items.has(c.parent)) {
      if (root) addHidden(w, root, 1);
      return;
    }
    const item = insertItem(w, c);
    flash(item);
    shown.push(item);
  });
  waiting.clear();
  w.reader.unseen.clear();
  showPill(w);
  showCounts(w);
  if (!shown.length) return;
  // The one that stands first.
  reveal(
    w,
    shown.reduce((first, item) => (item.node.compareDocumentPosition(first.node) & 4 ? item : first)),
  );
}

/**
 * Spoken in one breath, however many came.
 * @param {Comments} w
 * @param {Comment} c
 */
function announce(w, c) {
  w.reader.unsaid.push(c);
  if (w.timers.say) return;
  w.timers.say = setTimeout(() => {
    const all = w.reader.unsaid.filter(one => !one.deleted && one.author);
    w.reader.unsaid = [];
    w.timers.say = undefined;
    if (!all.length) return;
    // The first ones by their authors and how they begin.
    const begins = all.slice(0, READ_OUT).map(one => {
      const html = one.html.replace(/<\/(p|li|pre)>|<br>/g, ' $&');
      const text = /** @type {string} */ (el('div', null, safeHtml(html)).textContent).trim().replace(/\s+/g, ' ');
      const begin = text.length > BEGINNING ? text.slice(0, BEGINNING).replace(/\s\S*$/, '') + '…' : text;
      return [nameOf(w, one.author), begin];
    });
    speak(
      w,
      all.length === 1
        ? w.t('freshBy', {name: begins[0][0]}) + ': ' + begins[0][1]
        : w.t('fresh', {n: all.length}) + '. ' + begins.map(one => one.join(': ')).join(' '),
    );
  }, 1500);
}

/**
 * @param {Comments} w
 * @param {string} text
 */
export function speak(w, text) {
  w.live.textContent = text;
}
