/* What events and answers make of what is known, without a node. Events may come twice, late, in bursts, or while a page is
   on its way. */
import {countAll} from './rank.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./store.js').Message} Message */
/** @typedef {import('./store.js').Store} Store */

/**
 * Whether an event is to be looked at now: not while a page is on its way, not if a page had it already.
 * @param {Store} store
 * @param {Message} m
 */
export function takes(store, m) {
  if (store.pauses) {
    store.paused.push(m);
    return false;
  }
  const seq = /** @type {number} */ (m.seq);
  if (seq <= store.seq) return false;
  store.seq = seq;
  return true;
}

/**
 * How many comments there are after an event.
 * @param {Store} store
 * @param {Message} m
 * @returns {boolean} whether nobody knows, and it has to be asked
 */
export function counts(store, m) {
  const data = m.data || {};
  const seq = /** @type {number} */ (m.seq);
  if (data.comments != null) store.tally.set(data.comments, seq);
  else if (m.type === 'comment.created') store.tally.move(1, seq);
  // Servers of before put this in the place of whatever was said of a comment that is gone.
  else if (m.type === 'comment.deleted' && data.id === '0') return true;
  else if (m.type === 'comment.deleted') store.tally.move(-1, seq);
  return false;
}

/**
 * The conversation changed at `seq` and it isn't said how. A comment of our own with that very number, answered before
 * or after: what others count does not hold it.
 * @param {Store} store
 * @param {number} seq
 * @param {(c: Comment) => boolean} isMine
 */
export function hushes(store, seq, isMine) {
  store.quiet = [seq, ...store.quiet].slice(0, 9);
  store.items.forEach(({c, seq: at}) => {
    if (at === seq && isMine(c) && !c.state) store.extra++;
  });
}

/**
 * Our own was acknowledged at `at`.
 * @param {Store} store
 * @param {Comment} c
 * @param {number} at
 */
export function owns(store, c, at) {
  if (c.state) return;
  store.tally.own(1, at);
  if (store.quiet.includes(at)) store.extra++;
}

/**
 * What a comment that was written means.
 * @param {Store} store
 * @param {Comment} c
 * @param {number} seq
 * @param {boolean} mine
 * @returns {'known' | 'grafted' | 'counted' | 'ghost' | 'held' | 'new'} grafted: it is here already, and none of those
 *     that its root was said to have more
 */
export function judges(store, c, seq, mine) {
  const item = store.items.get(c.id);
  const root = c.parent ? store.items.get(c.root) : null;
  if (item) return item.grafted && root && root.asof < seq ? 'grafted' : 'known';
  // It is among those that the page said there were more.
  if (root && seq <= root.asof) return 'counted';
  // Deleted since: shown only where answers hang on it.
  if (c.deleted) {
    store.ghosts.set(c.id, c);
    return 'ghost';
  }
  // Perhaps the one being posted from here: its answer, on the way, will tell.
  if ((mine && isPosting(store)) || store.held.some(h => h.id === c.parent)) {
    store.held.push(c);
    return 'held';
  }
  return 'new';
}

/** @param {Store} store */
export function isPosting(store) {
  return [...store.items.values()].some(item => item.c.pending && item.busy);
}

/**
 * How many comments there are that can't be reached from here, once the last page is loaded.
 * @param {Store} store
 */
export function missing(store) {
  if (store.cursor) return 0;
  let n = store.tally.value() - store.held.filter(c => !c.deleted && !store.items.has(c.id)).length;
  store.items.forEach(({c, parent}) => {
    if (!c.pending && !c.deleted) n--;
    if (!parent) n -= c.more || 0;
  });
  store.waiting.forEach(c => {
    n -= (c.deleted ? 0 : 1) + (c.more || 0);
  });
  return n;
}

/**
 * How many answers of a root there are that are not here, by what the server said of it at `at`.
 * @param {Store} store
 * @param {Item} item
 * @param {Comment} c
 * @param {number} at
 */
export function measures(store, item, c, at) {
  let known = 0;
  store.items.forEach(i => {
    if (i.c.root === c.id && i !== item && !i.c.pending) known++;
  });
  store.waiting.forEach(one => {
    if (one.root === c.id && one.parent) known++;
  });
  item.asof = at;
  item.c.more = Math.max(0, countAll(c.replies || []) + (c.more || 0) - known);
}

/**
 * The newest counts; while one's own vote is on its way they wait for its answer, which may be older than they are.
 * @param {Store} store
 * @param {Item} item
 * @param {{up: number, down: number, score: number}} data
 * @param {number} seq
 * @returns {boolean} whether there is something to show
 */
export function scores(store, item, data, seq) {
  if (!(/** @type {number} */ (item.scoreSeq) > seq)) {
    item.scoreSeq = seq;
    item.told = data;
  }
  if (item.voting || !item.told) return false;
  const {up, down, score} = item.told;
  Object.assign(item.c, {up, down, score});
  item.told = null;
  return true;
}

/**
 * A vote is wished for: shown at once. The same again takes it back.
 * @param {Store} store
 * @param {Item} item
 * @param {number} value
 * @returns {boolean} whether it has to be sent; else one is on its way, whose answer sends the last wish
 */
export function wishes(store, item, value) {
  const {id} = item.c;
  const old = store.votes[id] || 0;
  if (value === old) value = 0;
  item.c.score += value - old;
  item.wish = store.votes[id] = value;
  if (item.voting) return false;
  item.sure = old;
  item.voting = true;
  return true;
}

/**
 * The vote was refused: what the server has is shown again.
 * @param {Store} store
 * @param {Item} item
 */
export function unwishes(store, item) {
  const {id} = item.c;
  const sure = /** @type {number} */ (item.sure);
  item.voting = false;
  item.c.score += sure - store.votes[id];
  store.votes[id] = sure;
}

/**
 * A newer state of a comment.
 * @param {Store} store
 * @param {Item} item
 * @param {Comment} c
 * @param {number} seq
 * @returns {boolean} whether it is newer
 */
export function updates(store, item, c, seq) {
  if (seq < item.seq) return false;
  const {replies, more, score, reactions} = item.c;
  item.seq = seq;
  Object.assign(item.c, c, {replies, more, score: item.voting ? score : c.score});
  item.c.reactions = item.reacting ? reactions : c.reactions;
  // Not there: it shows none any more.
  item.c.media = c.media;
  if (c.source === undefined) delete item.c.source;
  return true;
}
