/* Other pages of comments: another order, the next page, more replies, the one comment an address names. */
import {flash} from './flash.js';
import {appendItem, collapse, showMoreReplies, wake} from './item.js';
import {measures, missing} from './judge.js';
import {showPill} from './arrivals.js';
import {pauseEvents} from './live.js';
import {isAbove} from './rank.js';
import {isByTime, laterId} from './reckon.js';
import {putBack, restoreUnsent} from './sending.js';
import {seqOf} from './store.js';
import {fillList, focusOn, notice, showCounts, showFooter, takePage} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {Promise} from '../../../web/lib/loader.js';
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

// Replies, and roots where they are looked through, come by so many.
const MANY = 100;
// Pages that are looked through for what votes have lifted.
const PAGES = 50;
// Comments that are loaded when all are asked for.
const MOST = 5000;

/**
 * @param {Comments} w
 * @param {Record<string, any>} [values]
 */
export function pageQuery(w, values) {
  const {size} = w.mounted.ask;
  /** @type {Record<string, any>} */
  const query = {channel: w.key, sort: w.sort, size, after: w.store.seq, ...values};
  return '/comments?' + new URLSearchParams(query);
}

/**
 * @param {Comments} w
 * @param {string} name
 */
export async function resort(w, name) {
  const old = w.sort;
  if (name === old) return;
  pauseEvents(w, 1);
  w.sort = name;
  markSort(w);
  w.list.classList.add('mc-busy');
  try {
    const data = await w.api('GET', pageQuery(w));
    if (w.sort !== name) return;
    w.session.set('sort', name);
    replacePage(w, data);
  } catch (error) {
    w.sort = old;
    markSort(w);
    notice(w, reason(w.t, /** @type {any} */ (error)));
  } finally {
    w.list.classList.remove('mc-busy');
    pauseEvents(w, -1);
  }
}

/** @param {Comments} w */
function markSort(w) {
  w.orders.forEach((name, i) => w.sorts.children[i].setAttribute('aria-pressed', '' + (name === w.sort)));
}

/**
 * A new first page in place of everything; the visitor's own unsent comments stay.
 * @param {Comments} w
 * @param {any} data
 */
export function replacePage(w, data) {
  const unsent = [...w.store.items.values()].filter(item => item.c.pending);
  takePage(w, data);
  w.store.waiting.clear();
  fillList(w, data.page.comments);
  unsent.forEach(item => putBack(w, item));
  restoreUnsent(w);
  showPill(w);
}

/**
 * Page after page, up to a number that a browser bears.
 * @param {Comments} w
 */
export async function loadAll(w) {
  const {store} = w;
  while (store.cursor && store.items.size < MOST && !w.closed) {
    const {cursor} = store;
    await nextPage(w, MANY);
    if (store.cursor === cursor) break;
  }
}

/**
 * @param {Comments} w
 * @param {number} [size]
 */
export async function nextPage(w, size) {
  const {store} = w;
  const button = /** @type {HTMLButtonElement} */ (w.moreButton);
  const known = w.list.lastElementChild;
  const before = store.items.size;
  // Another order has come meanwhile.
  const other = () => w.moreButton !== button;
  button.disabled = true;
  // What is said meanwhile is judged by what is loaded then.
  pauseEvents(w, 1);
  try {
    const data = store.cursor
      ? await w.api('GET', pageQuery(w, {cursor: store.cursor, ...(size && {size})}))
      : await Promise.resolve();
    const {lifted} = store;
    if (other()) return;
    if (data) {
      absorbPage(w, data);
      store.ends(data.page);
    }
    if (lifted) await sweep(w, button);
    if (other()) return;
    showFooter(w);
    showPill(w);
    if (store.items.size > before) focusOn(known && known.nextElementSibling);
  } catch (error) {
    if (other()) return;
    // What was to be looked for still is.
    store.lifted = !!store.edge || !store.cursor;
    button.disabled = false;
    notice(w, reason(w.t, /** @type {any} */ (error)));
  } finally {
    pauseEvents(w, -1);
    lookForRest(w);
    showCounts(w);
  }
}

/**
 * All is loaded, and yet the count says that there is more. Not asked again where nothing was found.
 * @param {Comments} w
 */
export function lookForRest(w) {
  const n = missing(w.store);
  if (n <= 0 || n === w.store.nothing) return;
  w.store.lifted = true;
  showFooter(w);
}

/**
 * A page of roots: those not here are added. Of the others events have told all; to repair, what hangs on them is looked
 * at too, but not while events wait that the page may know of.
 * @param {Comments} w
 * @param {any} data
 * @param {((c: Comment) => boolean) | null} [wanted]
 * @param {boolean} [repair]
 */
function absorbPage(w, data, wanted, repair) {
  const {store} = w;
  const at = seqOf(data);
  store.tally.set(data.channel.comments, at);
  data.page.comments.forEach((/** @type {Comment} */ c) => {
    const item = store.items.get(c.id);
    if (!item) {
      if (wanted && !wanted(c)) return;
      const ref = isByTime(w.sort) && followingNode(w, c.id);
      const made = appendItem(w, c);
      if (ref) ref.before(made.node);
      made.asof = at;
      return;
    }
    if (!repair || at <= item.asof || store.paused.length) return;
    graft(w, c.replies, item);
    measureItem(w, item, c, at);
  });
}

/**
 * How many answers there are that are not here, by what the server said of the root at `at`.
 * @param {Comments} w
 * @param {Item} item
 * @param {Comment} c
 * @param {number} at
 */
export function measureItem(w, item, c, at) {
  measures(w.store, item, c, at);
  showMoreReplies(w, item);
}

/**
 * The first root that comes after `id` in an order by time.
 * @param {Comments} w
 * @param {string} id
 */
export function followingNode(w, id) {
  const old = w.sort === 'old';
  let found = null;
  for (let node = w.list.lastElementChild; node; node = node.previousElementSibling) {
    const item = w.store.items.get(node.id.slice(3));
    if (item && item.c.pending ? old : item && laterId(item.c.id, id) * (old ? 1 : -1) > 0) found = node;
    else if (item && !item.c.pending) break;
  }
  return found;
}

/**
 * From the top again for what votes have lifted over what was loaded: under "best" as far as that goes; at the end, where
 * some are missing, in an order that votes don't change.
 * @param {Comments} w
 * @param {HTMLElement} button
 */
async function sweep(w, button) {
  const {store} = w;
  const {edge} = store;
  const sort = edge ? 'best' : 'new';
  let cursor = '';
  for (let left = PAGES; left--;) {
    const data = await w.api('GET', pageQuery(w, {sort, size: MANY, cursor}));
    const roots = data.page.comments;
    if (w.moreButton !== button) return;
    absorbPage(w, data, edge && (c => isAbove(c, edge)), !edge);
    cursor = data.page.cursor;
    if (!cursor || !(edge ? isAbove(roots[roots.length - 1], edge) : missing(store) > 0)) break;
  }
  store.lifted = false;
  if (!edge && !store.paused.length) store.nothing = missing(store);
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {HTMLElement} button
 */
export async function loadReplies(w, item, button) {
  const {store} = w;
  const known = () => store.items.size + store.waiting.size;
  if (button.hasAttribute('aria-disabled')) return;
  button.setAttribute('aria-disabled', 'true');
  // What is deleted meanwhile may be in the answer.
  pauseEvents(w, 1);
  try {
    // The first replies are here already: on until there is a new one.
    for (;;) {
      const {id} = item.c;
      const data = await w.api('GET', pageQuery(w, {parent: id, sort: 'old', size: MANY, cursor: item.cursor || ''}));
      const before = known();
      if (store.items.get(id) !== item) return;
      item.cursor = data.page.cursor;
      graft(w, data.page.comments, item, !!item.cursor);
      item.c.more = item.cursor ? item.c.more - known() + before : 0;
      // Now it is known what hangs there, up to this.
      if (!item.cursor) item.asof = Math.max(item.asof, seqOf(data));
      if (!item.cursor || (known() !== before && item.c.more > 0)) break;
    }
    showMoreReplies(w, item);
  } catch (error) {
    button.removeAttribute('aria-disabled');
    notice(w, reason(w.t, /** @type {any} */ (error)));
  } finally {
    pauseEvents(w, -1);
  }
}

/**
 * @param {Comments} w
 * @param {Comment[]} comments
 * @param {Item} root
 * @param {boolean} [grafted]
 */
function graft(w, comments, root, grafted) {
  comments.forEach(c => {
    const {items} = w.store;
    const nested = c.replies || [];
    if (!items.has(c.id) && c.id !== root.c.id) {
      appendItem(w, {...c, replies: []}, items.get(/** @type {string} */ (c.parent)) || root).grafted = grafted;
    }
    graft(w, nested, root, grafted);
  });
}

/**
 * #mc-<id>: to the comment, fetched if it isn't on this page.
 * @param {Comments} w
 */
export async function goToLinked(w) {
  const {items} = w.store;
  const id = (/^#mc-c?(\d+)$/.exec(location.hash) || [])[1];
  if (!id) return;
  const here = items.get(id);
  if (here) return reveal(w, here);
  /**
   * @param {string} number
   * @returns {Promise<any>}
   */
  async function get(number) {
    const data = await w.api('GET', '/comments/' + number);
    return number !== id || isOurs(w, data) ? data.comment : {};
  }
  /**
   * @param {Comment} c
   * @param {Item} [parent]
   */
  const put = (c, parent) => items.get(c.id) || appendItem(w, {replies: [], more: 0, ...c}, parent, !parent);
  /**
   * Behind the first hundred replies of its thread: only what it hangs on.
   * @param {Comment} c
   * @returns {Promise<Item>}
   */
  async function climb(c) {
    const parent = c.parent ? items.get(c.parent) : undefined;
    return put(c, parent || !c.parent ? parent : await climb(await get(c.parent)));
  }
  /** @returns {Promise<Item | undefined>} */
  async function find() {
    const c = await get(id);
    if (!c.id) return;
    if (!c.root || c.root === id) return put(c);
    const above = items.get(c.root);
    const parent = put(above ? above.c : await get(c.root));
    const data = await w.api('GET', pageQuery(w, {parent: c.root, sort: 'old', size: MANY}));
    graft(w, data.page.comments, parent);
    if (data.page.cursor && !parent.c.more) {
      parent.c.more = 1;
      showMoreReplies(w, parent);
    }
    return items.get(id) || climb(c);
  }
  pauseEvents(w, 1);
  try {
    const found = await find();
    if (found) reveal(w, found);
  } catch (e) {
    const error = /** @type {any} */ (e);
    notice(w, error.status === 404 || error.status === 410 ? w.t('dead') : reason(w.t, error));
  } finally {
    pauseEvents(w, -1);
  }
}

/**
 * Whether the comment of a permalink is of this conversation; else it is said where it is.
 * @param {Comments} w
 * @param {any} data
 */
function isOurs(w, data) {
  /** @param {string} address */
  const page = address => new URL(address).href.split('#')[0];
  if (!data.channel || data.channel === w.channel.id) return true;
  const link = /^https?:/.test(data.permalink) ? data.permalink : '';
  if (link && page(link) === page(location.href)) {
    // Another conversation of this page shows it, or one that is no longer here.
    if (document.querySelectorAll('.mc-root').length < 2) notice(w, w.t('dead'));
    return false;
  }
  notice(w, w.t('linked'), link ? 20000 : 0);
  if (link) w.bar.append(' ', el('a', {href: link}, w.t('show')));
  return false;
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
export function reveal(w, item) {
  for (let p = /** @type {Item | null} */ (item); p; p = p.parent) wake(p);
  for (let p = item.parent; p; p = p.parent) if (p.node.classList.contains('mc-collapsed')) collapse(w, p, false);
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  item.node.scrollIntoView({block: 'center', behavior: still ? 'auto' : 'smooth'});
  flash(item);
  focusOn(item.node);
}
