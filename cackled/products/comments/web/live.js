/* Live: events of a conversation in place, what is held and counted, reading anew, the state of the line. */
import {onArrived, showPill} from './arrivals.js';
import {dress, replaceComposer, signForms} from './composing.js';
import {addFilter} from './filter.js';
import {flash} from './flash.js';
import {watchFresh} from './fresh.js';
import {addBell} from './follow.js';
import {lookWhoComes} from './identity.js';
import {appendItem, drawItem, showMoreReplies} from './item.js';
import {counts, hushes, isPosting, judges, takes} from './judge.js';
import {goToLinked, lookForRest, measureItem, pageQuery, replacePage} from './paging.js';
import {hasWritten, showPresence, showTyping} from './presence.js';
import {isAbove} from './rank.js';
import {takeReactions} from './reacting.js';
import {Reader} from './reader.js';
import {resendFailed, restoreUnsent, watchForms} from './sending.js';
import {seqOf} from './store.js';
import {takeScore, takeUpdate} from './vote.js';
import {focusOn, isMine, pinnedOf, raisePinned, showCounts, showFooter, takePage} from './widget.js';
import {watchWindow} from './windowing.js';
import {watchTexts} from './wording.js';
import {releaseHeight} from '../../../web/lib/height.js';
import {untilThere} from '../../../web/lib/late.js';
import {subscribe} from '../../../web/lib/live.js';
import {loader} from '../../../web/lib/loader.js';
import {rove} from '../../../web/lib/menu.js';
import {tabStorage} from '../../../web/lib/storage.js';
import {learnClock} from '../../../web/lib/time.js';
import {asObject, isOff} from '../../../web/lib/values.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./store.js').Message} Message */
/** @typedef {import('./widget.js').Comments} Comments */

/**
 * @param {Comments} w
 * @param {string} position
 */
export function beginLive(w, position) {
  w.reader = new Reader();
  dress(w, /** @type {import('./composer.js').Composer} */ (w.main), {});
  // Another tab has named the visitor.
  w.listen(window, 'storage', event => {
    const name = event.key === 'cackle:' + w.site && loader.text(asObject(loader.load(w.site)).name);
    if (name) signForms(w, name, document.activeElement);
  });
  lookWhoComes(w);
  releaseHeight(w);
  rove(w, 'mc-acts');
  watchForms(w);
  watchTexts(w);
  if (loader.text(/** @type {any} */ (w.o).timeFormat))
    untilThere(() => import('./timeformat.js')).then(m => w.closed || m.useFormat(w));
  restoreUnsent(w);
  addFilter(w);
  watchFresh(w);
  watchWindow(w);
  goToLinked(w);
  findPinned(w);
  w.listen(window, 'hashchange', () => goToLinked(w));
  // The live line may have outlasted what a request did not.
  w.listen(window, 'online', () => resendFailed(w));
  followChannel(w, position);
  addBell(w);
  w.closers.push(() => w.sub && w.sub.close());
}

/**
 * What opens a locked conversation; or, where nobody has written and so the server knows no more than a number, its key.
 * @param {Comments} w
 */
const passOf = w =>
  w.session.grant() ||
  (w.session.get('level') && w.session.view()) ||
  (w.settings.sections && !w.store.seq ? 'key:' + w.key : undefined);

/**
 * @param {Comments} w
 * @param {string} position
 */
function followChannel(w, position) {
  const handler = {
    event: (/** @type {Message} */ m) => onEvent(w, m),
    status: (/** @type {string} */ state) => {
      w.state = state;
      showConnection(w);
      if (state === 'refused') {
        if (!loader.refused) {
          loader.refused = true;
          loader.warn('origin', w.site);
        }
        setReadonly(w, true);
      }
      if (state === 'live') {
        loader.refused = false;
        setReadonly(w, false);
        resendFailed(w);
      }
    },
    reset: (/** @type {number} */ seq) => reloadPage(w, seq),
    renew: w.session.renew || (w.session.get('level') && (() => w.session.anew().then(() => passOf(w)))),
  };
  // `stream: false` of the page: nothing comes by itself.
  if (!isOff(/** @type {any} */ (w.o).stream)) w.sub = subscribe(position, handler, passOf(w));
}

/**
 * @param {Comments} w
 * @param {Message} m
 */
export function onEvent(w, m) {
  const {store} = w;
  const data = m.data || {};
  const seq = /** @type {number} */ (m.seq);
  if (m.type === 'presence') return showPresence(w, data.count, data.names);
  if (m.type === 'typing') return showTyping(w, data.name);
  // The page that was loaded since has it already, or one is on its way.
  if (!takes(store, m)) return;
  countFrom(w, m);
  if (m.type === 'comment.created') return onCreated(w, data.comment, seq);
  if (m.type === 'comment.deleted') {
    onDeleted(w, m, data);
    showPill(w);
    return showCounts(w);
  }
  if (m.type === 'channel.updated') return onChannel(w, data, seq);
  const {comment = data} = data;
  const item = store.items.get(comment.id);
  const waits = store.waiting.get(comment.id);
  if (m.type === 'comment.updated') {
    if (item) {
      takeUpdate(w, item, comment, seq);
      flash(item);
    }
    if (waits) Object.assign(waits, comment);
  } else if (m.type === 'comment.reacted') {
    if (item) takeReactions(w, item, data.reactions, seq);
    if (waits) waits.reactions = data.reactions;
  } else if (m.type === 'comment.voted') {
    if (item) takeScore(w, item, data, seq);
    if (waits) Object.assign(waits, {up: data.up, down: data.down, score: data.score});
    if (item || waits) return;
    // Votes have lifted it over what is loaded: no further page has it.
    if (store.edge && w.sort === 'best' && isAbove(data, store.edge)) store.lifted = true;
    if (!store.cursor) lookForRest(w);
  }
}

/**
 * @param {Comments} w
 * @param {Comment} c
 * @param {number} seq
 */
function onCreated(w, c, seq) {
  if (c.author) hasWritten(w, c.author.name);
  const means = judges(w.store, c, seq, isMine(w, c));
  const item = w.store.items.get(c.id);
  if (means === 'grafted') addHidden(w, /** @type {Item} */ (w.store.items.get(/** @type {string} */ (c.root))), 1);
  // Its author saw it already, and now everybody does.
  if (item && item.c.state) {
    delete item.c.state;
    takeUpdate(w, item, c, seq);
    drawItem(w, item);
    flash(item);
  }
  if (means === 'new') onArrived(w, c);
}

/**
 * @param {Comments} w
 * @param {any} data
 * @param {number} seq
 */
function onChannel(w, data, seq) {
  // Conversations of one page became one, here or under another key.
  if (data.moved) return onMoved(w, data.moved, seq);
  if (data.locked != null && data.locked !== w.channel.locked) {
    w.channel.locked = data.locked;
    replaceComposer(w);
    w.store.items.forEach(item => {
      if (!item.edit) drawItem(w, item);
    });
  }
  if (data.pinned || w.channel.pinned) pin(w, data.pinned || []);
  hushes(w.store, seq, c => isMine(w, c));
  showCounts(w);
}

/**
 * Moderators have pinned others.
 * @param {Comments} w
 * @param {string[]} ids
 */
function pin(w, ids) {
  w.channel.pinned = ids;
  w.store.items.forEach(item => {
    const pinned = ids.includes(item.c.id);
    if (pinned === !!item.pinned) return;
    item.pinned = pinned;
    drawItem(w, item);
  });
  raisePinned(w);
  findPinned(w);
}

/**
 * What is pinned and not loaded is asked for.
 * @param {Comments} w
 */
function findPinned(w) {
  const {items, waiting} = w.store;
  pinnedOf(w).forEach(async id => {
    if (items.has(id) || waiting.has(id)) return;
    try {
      const {comment: c} = await w.api('GET', '/comments/' + id);
      if (c.parent || c.deleted || items.has(id) || w.closed) return;
      appendItem(w, {replies: [], more: 0, ...c}, null, true);
      raisePinned(w);
    } catch {
      // It stands where it comes.
    }
  });
}

/**
 * The page is loaded anew, with the live line of where it is now; once for all that comes together.
 * @param {Comments} w
 * @param {string} key
 * @param {number} seq
 */
function onMoved(w, key, seq) {
  const other = key !== w.key;
  clearTimeout(w.timers.moved);
  w.timers.moved = setTimeout(async () => {
    if (w.closed) return;
    w.key = key;
    try {
      await reloadPage(w, other ? 0 : seq);
      if (!other || w.closed) return;
      if (w.sub) w.sub.close();
      followChannel(w, w.site + '/' + w.channel.id + '@' + w.store.seq);
    } catch {
      // The next page tells.
    }
  }, w.recount);
}

/**
 * In a page of an origin that the site does not name everything can be read, and nothing else.
 * @param {Comments} w
 * @param {boolean} yes
 */
function setReadonly(w, yes) {
  tabStorage.set('readonly:' + w.site, yes);
  if (!w.main || !!yes === !!w.reading) return;
  w.reading = yes;
  replaceComposer(w);
  w.store.items.forEach(item => {
    drawItem(w, item);
  });
}

/**
 * How many comments there are after an event.
 * @param {Comments} w
 * @param {Message} m
 */
function countFrom(w, m) {
  if (counts(w.store, m)) recount(w);
  showCounts(w);
}

/** @param {Comments} w */
function recount(w) {
  if (w.timers.count) return;
  w.timers.count = setTimeout(async () => {
    w.timers.count = undefined;
    pauseEvents(w, 1);
    try {
      const data = await w.api('GET', pageQuery(w, {size: 1}));
      w.store.tally.set(data.channel.comments, seqOf(data));
      showCounts(w);
      lookForRest(w);
    } catch {
      // The next event or page tells.
    } finally {
      pauseEvents(w, -1);
    }
  }, w.recount);
}

/**
 * So many more (fewer) answers of a root are there, and not shown.
 * @param {Comments} w
 * @param {Item} root
 * @param {number} by
 */
export function addHidden(w, root, by) {
  root.c.more = Math.max(0, (root.c.more || 0) + by);
  showMoreReplies(w, root);
}

/**
 * Takes an item out of the page; a comment that others answered leaves its place.
 * @param {Comments} w
 * @param {Item} item
 * @param {boolean} [tombstone]
 */
export function removeItem(w, item, tombstone) {
  const {parent} = item;
  const focused = item.node.contains(document.activeElement);
  if (!tombstone) item.gone = true;
  if (item.going) {
    clearTimeout(item.going.timer);
    item.going = null;
  }
  if (tombstone || (item.list && item.list.firstChild)) {
    item.c.deleted = true;
    drawItem(w, item);
    if (focused) focusOn(item.node);
    return;
  }
  const beside = item.node.nextElementSibling || item.node.previousElementSibling;
  if (focused) focusOn(beside || (parent ? parent.node : w.node.querySelector('.mc-input')));
  item.node.remove();
  w.store.items.delete(item.c.id);
  if (parent && parent.list && !parent.list.firstChild && !parent.c.more) {
    parent.nest.remove();
    parent.list = parent.nest = null;
    parent.node.classList.remove('mc-has');
    // A tombstone leaves when the server has said so: answers may hang on it that are not shown here.
    if (parent.gone) removeItem(w, parent);
  }
}

/**
 * @param {Comments} w
 * @param {Message} m
 * @param {any} data
 */
function onDeleted(w, m, data) {
  const {store} = w;
  const ids = [data.id].concat(data.removed || []);
  const root = store.items.get(data.root);
  let unknown = 0;
  ids.forEach((id, i) => {
    const item = store.items.get(id);
    const waits = store.waiting.get(id) || store.held.find(h => h.id === id);
    const stays = !i && data.tombstone;
    if (item) removeItem(w, item, stays);
    else if (waits && stays) Object.assign(waits, {deleted: true, author: null});
    else if (!waits && !stays && !store.ghosts.has(id)) unknown++;
    if (waits && !stays) {
      store.waiting.delete(id);
      store.held = store.held.filter(h => h !== waits);
    }
    if (!stays) store.ghosts.delete(id);
    // Perhaps our own, whose answer is still on its way.
    if (!stays && isPosting(store)) store.gone.add(id);
  });
  if (data.root === data.id) return;
  if (root && unknown && root.asof < /** @type {number} */ (m.seq)) addHidden(w, root, -unknown);
  const waiting = store.waiting.get(data.root);
  if (waiting) waiting.more = Math.max(0, waiting.more - unknown);
}

/**
 * While a page is on its way events wait: it may be older than they are.
 * @param {Comments} w
 * @param {1 | -1} by
 */
export function pauseEvents(w, by) {
  w.store.pauses += by;
  if (!w.store.pauses) w.store.paused.splice(0).forEach(m => onEvent(w, m));
}

/** @param {Comments} w */
export function releaseHeld(w) {
  const {store} = w;
  if (isPosting(store)) return;
  store.gone.clear();
  store.held.splice(0).forEach(c => {
    if (!store.items.has(c.id)) onArrived(w, c);
  });
  lookForRest(w);
}

/**
 * The server can't replay what was missed: the first page anew, at least as new as `seq`.
 * @param {Comments} w
 * @param {number} seq
 * @returns {Promise<number>} the seq that was loaded
 */
export async function reloadPage(w, seq) {
  const answer = await loader.get(w.address(seq));
  learnClock(answer);
  if (!answer.ok) throw answer;
  const data = await answer.json();
  const anchor = document.activeElement;
  const top = anchor && w.node.contains(anchor) ? anchor.getBoundingClientRect().top : null;
  if (w.closed) return seq;
  // Open forms keep their place: only a page nobody writes in is replaced whole.
  if ([...w.store.items.values()].some(item => item.form || item.edit)) mergePage(w, data);
  else replacePage(w, data);
  if (top !== null && anchor && anchor.isConnected) scrollBy(0, anchor.getBoundingClientRect().top - top);
  return w.store.seq;
}

/**
 * @param {Comments} w
 * @param {any} data
 */
function mergePage(w, data) {
  const {items, waiting} = w.store;
  /** @type {Comment[]} */
  const roots = data.page.comments;
  /** @type {Set<string>} */
  const there = new Set();
  /** @param {Comment} c */
  function walk(c) {
    const item = items.get(c.id);
    there.add(c.id);
    if (item) takeUpdate(w, item, c, w.store.seq);
    else if (!waiting.has(c.id)) waiting.set(c.id, {...c, replies: []});
    (c.replies || []).forEach(walk);
  }
  takePage(w, data);
  roots.forEach(walk);
  // What isn't on this page is gone, or comes again with the next one; but where somebody writes it stays.
  [...items.values()].reverse().forEach(item => {
    if (item.c.pending || there.has(item.c.id) || items.get(item.c.id) !== item) return;
    if (!item.form && !item.edit && !(item.list && item.list.firstChild)) removeItem(w, item);
    else lookAfter(w, item);
  });
  [...waiting.keys()].forEach(id => {
    if (!there.has(id)) waiting.delete(id);
  });
  roots.forEach(c => {
    const item = items.get(c.id);
    if (item) measureItem(w, item, c, w.store.seq);
  });
  showFooter(w);
  showPill(w);
  showCounts(w);
}

/**
 * Whether a comment that stands is still there.
 * @param {Comments} w
 * @param {Item} item
 */
async function lookAfter(w, item) {
  const {items} = w.store;
  const {id} = item.c;
  let lost = false;
  try {
    const {comment} = await w.api('GET', '/comments/' + id);
    if (!comment.deleted) return;
  } catch (error) {
    lost = /** @type {any} */ (error).status === 404;
    if (!lost) return;
  }
  if (items.get(id) !== item) return;
  // Another one was taken for it.
  const root = item.parent && items.get(item.c.root);
  if (lost && root) addHidden(w, root, 1);
  item.gone = lost;
  removeItem(w, item, true);
}

/**
 * Short breaks aren't worth a word.
 * @param {Comments} w
 */
export function showConnection(w) {
  const words = w.t('offline');
  clearTimeout(w.timers.line);
  if (w.state !== 'down') {
    if (w.bar.textContent === words) w.bar.classList.remove('mc-on');
    return;
  }
  w.timers.line = setTimeout(() => {
    if (w.closed || w.state !== 'down') return;
    w.bar.textContent = words;
    w.bar.classList.add('mc-on');
  }, 2500);
}
