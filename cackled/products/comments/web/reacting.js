/* Reacting: shown at once, sent one after another; counts that come meanwhile wait for the answers. */
import {kindsOf, reactionName, showReactions} from './reactions.js';
import {seqOf} from './store.js';
import {notice} from './widget.js';
import {Promise} from '../../../web/lib/loader.js';
import {openMenu} from '../../../web/lib/menu.js';
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {HTMLElement} button
 */
export function openReactions(w, item, button) {
  openMenu(
    button,
    kindsOf(w).map(([name, face]) => ({face, words: reactionName(w, name), act: () => toggleReaction(w, item, name)})),
  );
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {string} name
 * @param {boolean} on
 */
function mark(w, item, name, on) {
  const {id, reactions: counts = {}} = item.c;
  const mine = (w.store.reactions[id] || []).filter(one => one !== name);
  w.store.reactions[id] = on ? [...mine, name] : mine;
  item.c.reactions = {...counts, [name]: Math.max(0, (counts[name] || 0) + (on ? 1 : -1))};
  showReactions(w, item);
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @param {string} name
 */
export function toggleReaction(w, item, name) {
  const {id} = item.c;
  const on = !(w.store.reactions[id] || []).includes(name);
  item.reacting = (item.reacting || 0) + 1;
  mark(w, item, name, on);
  const path = '/comments/' + id + '/reactions/' + encodeURIComponent(name);
  item.reacted = Promise.resolve(item.reacted)
    .then(() => w.api(on ? 'PUT' : 'DELETE', path))
    .then(
      data => {
        item.reacting--;
        takeReactions(w, item, data.reactions, seqOf(data));
        w.fire('react', {id, name, on});
      },
      error => {
        item.reacting--;
        mark(w, item, name, !on);
        if (item.reactionsTold) takeReactions(w, item, item.reactionsTold, item.reactionsSeq);
        notice(w, reason(w.t, error));
      },
    );
}

/**
 * The newest counts; while one's own is on its way they wait for its answer.
 * @param {Comments} w
 * @param {Item} item
 * @param {Record<string, number>} counts
 * @param {number} seq
 */
export function takeReactions(w, item, counts, seq) {
  if (!(item.reactionsSeq > seq)) {
    item.reactionsSeq = seq;
    item.reactionsTold = counts;
  }
  if (item.reacting || !item.reactionsTold) return;
  item.c.reactions = item.reactionsTold;
  item.reactionsTold = null;
  showReactions(w, item);
}
