/* Votes, and newer states of comments in place. */
import {drawItem} from './item.js';
import {scores, unwishes, updates, wishes} from './judge.js';
import {seqOf} from './store.js';
import {focusOn, notice} from './widget.js';
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

/**
 * Shown at once, sent one at a time: the last wish counts.
 * @param {Comments} w
 * @param {Item} item
 * @param {number} value
 */
export async function castVote(w, item, value) {
  const {store} = w;
  const {id} = item.c;
  const send = wishes(store, item, value);
  showVotes(w, item);
  if (!send) return;
  try {
    let data;
    do {
      const sent = item.wish;
      data = await w.api('PUT', '/comments/' + id + '/vote', {body: {value: sent}});
      item.sure = sent;
    } while (item.wish !== item.sure);
    item.voting = false;
    takeScore(w, item, data, seqOf(data));
    w.fire('vote', {id, value: item.sure, score: item.c.score});
  } catch (error) {
    unwishes(store, item);
    showVotes(w, item);
    if (item.told) takeScore(w, item, item.told, /** @type {number} */ (item.scoreSeq));
    notice(w, reason(w.t, /** @type {any} */ (error)));
  }
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {{up: number, down: number, score: number}} data
 * @param {number} seq
 */
export function takeScore(w, item, data, seq) {
  if (scores(w.store, item, data, seq)) showVotes(w, item);
}

/**
 * A newer state of a comment. While its author edits it, only the data change.
 * @param {Comments} w
 * @param {Item} item
 * @param {Comment} c
 * @param {number} seq
 */
export function takeUpdate(w, item, c, seq) {
  if (!updates(w.store, item, c, seq)) return;
  if (item.edit && item.edit.node.isConnected) return;
  const inside = item.body.contains(document.activeElement) && !item.slot.contains(document.activeElement);
  drawItem(w, item);
  if (inside) focusOn(item.node);
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
function showVotes(w, {c, up, down, score}) {
  const value = w.store.votes[c.id] || 0;
  if (!score) return;
  if (up) {
    up.setAttribute('aria-pressed', '' + (value > 0));
    down.setAttribute('aria-pressed', '' + (value < 0));
  }
  score.textContent = w.t.number(c.score);
  score.setAttribute('aria-label', w.t('score') + ' ' + c.score);
}
