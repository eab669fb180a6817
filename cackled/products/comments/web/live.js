/* Live: events in place where that moves nothing, else behind "3 new comments"; presence, typing, the state of the line. */
import {lookWhoComes} from './identity.js';
import {appendItem, drawItem, showMoreReplies} from './item.js';
import {counts, hushes, isPosting, judges, takes} from './judge.js';
import {followingNode, goToLinked, lookForRest, measureItem, pageQuery, replacePage, reveal} from './paging.js';
import {isAbove} from './reckon.js';
import {postItem, resendFailed, restoreUnsent, watchForms} from './sending.js';
import {seqOf} from './store.js';
import {takeScore, takeUpdate} from './vote.js';
import {
  flash,
  focusOn,
  isMine,
  nameOf,
  pinnedOf,
  raisePinned,
  replaceComposer,
  setReadonly,
  showCounts,
  showFooter,
  takePage,
} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {releaseHeight} from '../../../web/lib/height.js';
import {safeHtml} from '../../../web/lib/html.js';
import {subscribe} from '../../../web/lib/live.js';
import {loader} from '../../../web/lib/loader.js';
import {rove} from '../../../web/lib/menu.js';
import {learnClock} from '../../../web/lib/time.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./store.js').Message} Message */
/** @typedef {import('./widget.js').Comments} Comments */

// How many comments are read out by their authors and beginnings, and how much of each.
const READ_OUT = 3;
const BEGINNING = 90;

/** What the reader has seen and heard. */
export class Reader {
  constructor() {
    /** @type {Set<Item>} that came below the window's edge */
    this.unseen = new Set();
    /** @type {IntersectionObserver | null} */
    this.eye = null;
    /** @type {Item | null} one's own, far below */
    this.own = null;
    /** @type {Comment[]} that were not announced yet */
    this.unsaid = [];
    /** @type {Record<string, number>} who types, until when */
    this.writers = {};
    /** When we said last that we do. */
    this.told = 0;
  }
}

/**
 * @param {Comments} w
 * @param {string} position
 */
export function beginLive(w, position) {
  w.reader = new Reader();
  lookWhoComes(w);
  releaseHeight(w);
  rove(w, 'mc-acts');
  watchForms(w);
  restoreUnsent(w);
  goToLinked(w);
  findPinned(w);
  w.listen(window, 'hashchange', () => goToLinked(w));
  // The live line may have outlasted what a request did not.
  w.listen(window, 'online', () => resendFailed(w));
  followChannel(w, position);
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
  w.sub = subscribe(position, handler, passOf(w));
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
  const ref = !c.parent && w.sort !== 'best' && followingNode(w, c.id);
  const parent = c.parent ? w.store.items.get(c.parent) : null;
  const item = appendItem(w, {replies: [], more: 0, ...c}, parent, !c.parent && w.sort === 'best');
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
 * @param {Comments} w
 * @param {number} count
 * @param {string[]} [names]
 */
function showPresence(w, count, names) {
  const many = count > 1 && w.settings.presence !== false;
  w.online.classList.toggle('mc-on', many);
  if (!many) return;
  const words = w.t('online', {n: count});
  w.long.textContent = words;
  w.online.title = words + (names ? ': ' + names.join(', ') + (count > names.length ? ' …' : '') : '');
  w.short.textContent = w.t.number(count);
}

/**
 * Tells the others that somebody types here.
 * @param {Comments} w
 * @param {string} name
 */
export function tellTyping(w, name) {
  if (w.settings.typing === false || !w.sub || Date.now() - w.reader.told < 3000) return;
  w.reader.told = Date.now();
  w.sub.send({type: 'typing', name: name || 'Guest'});
}

/**
 * Who has written is not writing any more, under their name or before they gave one.
 * @param {Comments} w
 * @param {string} name
 */
function hasWritten(w, name) {
  delete w.reader.writers[name];
  delete w.reader.writers.Guest;
  showTyping(w);
}

/**
 * @param {Comments} w
 * @param {string} [name] who types too
 */
function showTyping(w, name) {
  const {t} = w;
  const {writers} = w.reader;
  const now = Date.now();
  if (name) writers[name] = now + 5000;
  Object.keys(writers).forEach(one => {
    if (!(writers[one] > now)) delete writers[one];
  });
  const names = Object.keys(writers)
    .filter(one => one !== w.session.get('name'))
    .map(one => nameOf(w, {name: one}));
  const [first, second] = names;
  w.typing.textContent = !first
    ? ''
    : !second
      ? t('typing1', {name: first})
      : names.length === 2
        ? t('typing2', {name: first, other: second})
        : t('typingMany');
  w.typing.classList.toggle('mc-on', !!first);
  clearTimeout(w.timers.typing);
  if (first) w.timers.typing = setTimeout(() => showTyping(w), 1500);
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
