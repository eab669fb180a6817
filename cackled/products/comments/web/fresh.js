/* What came since the last visit: a button that leads from one to the next, until all were seen. */
import {reveal} from './paging.js';
import {wake} from './item.js';
import {isFresh, visitsOf} from './visits.js';
import {isMine} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {save} from '../../../web/lib/storage.js';
import {serverNow} from '../../../web/lib/time.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

// Conversations of a site, and folded branches of one, that are remembered.
const MOST = 100;

/** @param {Comments} w */
export function watchFresh(w) {
  const now = serverNow();
  /** @type {Set<Item>} */
  const unseen = new Set();
  const next = el('button.mc-pill.mc-next', {hidden: true, onclick: go});
  // At the window's lower edge, and takes no room.
  w.list.after(el('div.mc-nextbox', null, next));
  // From now on, once the reader has been here for a while, or goes.
  const keep = () => keepVisit(w, now);
  const timer = setTimeout(keep, 5000);
  w.closers.push(() => clearTimeout(timer));
  w.keepVisit = keep;
  if (!w.since || !window.IntersectionObserver) return;
  const eye = new IntersectionObserver(entries => {
    entries.forEach(({target, isIntersecting}) => {
      const item = w.store.items.get(target.id.slice(3));
      // Out of the window, or put away.
      if (!isIntersecting && (target.isConnected || (item && item.node === target))) return;
      eye.unobserve(target);
      if (item) unseen.delete(item);
    });
    show();
  });
  w.closers.push(() => eye.disconnect());
  w.onItem = look;
  w.store.items.forEach(look);

  /** @param {Item} item */
  function look(item) {
    if (item.c.pending || item.c.deleted || isMine(w, item.c) || !isFresh(w, item.c)) return;
    // What comes while the page stands is told of elsewhere.
    if (Date.parse(item.c.created) > now) return;
    unseen.add(item);
    eye.observe(item.node);
    show();
  }
  function show() {
    next.hidden = !unseen.size;
    next.textContent = w.t('nextFresh', {n: unseen.size});
  }
  function go() {
    /** @type {Item | null} */
    let first = null;
    unseen.forEach(item => {
      if (w.store.items.get(item.c.id) !== item) return unseen.delete(item);
      for (let p = /** @type {Item | null} */ (item); p; p = p.parent) wake(p);
      // In the order of the page.
      if (!first || item.node.compareDocumentPosition(first.node) & 4) first = item;
    });
    show();
    if (!first) return;
    unseen.delete(first);
    show();
    reveal(w, first);
  }
}

/**
 * @param {Comments} w
 * @param {number} at milliseconds
 */
function keepVisit(w, at) {
  const rest = Object.entries(visitsOf(w)).filter(one => one[0] !== w.key);
  rest.sort((a, b) => (+asObject(b[1]).at || 0) - (+asObject(a[1]).at || 0)).splice(MOST - 1);
  const folded = [...w.folded].slice(-MOST);
  save('visits:' + w.site, Object.fromEntries([[w.key, {at, folded}], ...rest]));
}
