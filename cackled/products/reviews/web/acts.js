/* What can be done with a review: votes, report, link, take one's own back. */
import {isMine} from './item.js';
import {redraw} from './live.js';
import {seqOf} from './store.js';
import {drawAll, notice} from './widget.js';
import {Promise} from '../../../web/lib/loader.js';
import {openMenu} from '../../../web/lib/menu.js';
import {reason} from '../../../web/lib/reasons.js';
import {ask} from './viewer.js';

/** @typedef {import('./store.js').Review} Review */
/** @typedef {import('./widget.js').Reviews} Reviews */

const LINK = 'M8.5 11.5l3-3M9 6l1.5-1.5a3.5 3.5 0 0 1 5 5L14 11M11 14l-1.5 1.5a3.5 3.5 0 0 1-5-5L6 9';
const TRASH = 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6';
const FLAG = 'M5 17V4h9l-2 3 2 3H5';

/** @type {Set<string>} ids whose vote is on its way */
const voting = new Set();

/**
 * Shown at once; pressing it again takes it back.
 * @param {Reviews} w
 * @param {Review} review
 * @param {number} by
 */
export async function castVote(w, review, by) {
  const {store} = w;
  const {id} = review;
  const before = store.votes[id] || 0;
  const value = before === by ? 0 : by;
  if (voting.has(id)) return;
  voting.add(id);
  store.votes[id] = value;
  redraw(w, id);
  try {
    const data = await w.api('PUT', '/reviews/' + id + '/vote', {body: {value}});
    store.votes[id] = data.value;
    store.vote(data, seqOf(data));
    w.fire('vote', {id, value, up: data.up, down: data.down});
  } catch (error) {
    store.votes[id] = before;
    notice(w, reason(w.t, /** @type {any} */ (error)));
  }
  voting.delete(id);
  redraw(w, id);
}

/**
 * @param {Reviews} w
 * @param {Review} review
 * @param {HTMLElement} button
 */
export function openActs(w, review, button) {
  const {t} = w;
  const copy = {icon: LINK, words: t('copy'), act: () => copyLink(w, review.id)};
  const flag = {icon: FLAG, words: t('flag'), act: () => report(w, review)};
  const erase = {icon: TRASH, words: t('delete'), act: () => eraseOwn(w, review)};
  openMenu(button, isMine(w, review) ? (review.state ? [erase] : [copy, erase]) : [copy, flag]);
}

/**
 * @param {Reviews} w
 * @param {string} id
 */
function copyLink(w, id) {
  const url = new URL(location.href);
  url.hash = 'cr-' + id;
  const show = () => {
    location.hash = url.hash;
  };
  Promise.resolve(navigator.clipboard && navigator.clipboard.writeText(url.href)).then(() => {
    if (navigator.clipboard) notice(w, w.t('copied'));
    else show();
  }, show);
}

/**
 * @param {Reviews} w
 * @param {Review} review
 */
function report(w, review) {
  ask(
    w,
    w.t('flag'),
    w.t('reviewReportWhy'),
    text => w.api('POST', `/reviews/${review.id}/flags`, {body: {reason: text}}),
    () => notice(w, w.t('flagged')),
  );
}

/**
 * @param {Reviews} w
 * @param {Review} review
 */
function eraseOwn(w, review) {
  ask(
    w,
    w.t('delete'),
    '',
    () => w.api('DELETE', '/reviews/' + review.id),
    data => {
      w.store.own.delete(review.id);
      w.store.drop(review.id);
      w.store.count(data.summary, seqOf(data));
      drawAll(w);
      notice(w, w.t('reviewDeleted'));
      w.fire('status', {id: review.id, status: 'deleted'});
    },
    w.t('reviewDeleteAsk'),
  );
}
