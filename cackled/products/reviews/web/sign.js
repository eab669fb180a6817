/* Signing in from a page of reviews. */
import {notice} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import * as signing from '../../../web/people/signing.js';

/** @typedef {import('./widget.js').Reviews} Reviews */

/**
 * Somebody comes back from signing in, or the page's server says somebody else than before.
 * @param {Reviews} w
 */
export const lookWhoComes = w => signing.lookWhoComes(w, words => notice(w, words));

/**
 * @param {Reviews} w
 * @param {Event} event
 */
export function showWays(w, event) {
  const anchor = /** @type {HTMLElement} */ (/** @type {Element} */ (event.target).closest('.mcr-signin'));
  signing.showWays(w, anchor, words => notice(w, words));
}

/** @param {Reviews} w */
export const signButton = w =>
  el(
    'div.mcr-sign',
    null,
    el(
      'button.mcr-btn.mcr-signin',
      {'aria-expanded': 'false', onclick: (/** @type {Event} */ event) => showWays(w, event)},
      w.t('signIn'),
    ),
  );

/**
 * Only for people who signed in, or for some of them.
 * @param {Reviews} w
 * @param {any} problem
 */
export function invite(w, problem) {
  w.node.style.minHeight = '';
  w.held = false;
  const words = /sign-in-first$/.test(problem.type) ? w.t('reviewToRead') : w.t('reviewNoGroup');
  w.node.replaceChildren(el('div.mcr-none', null, el('div', null, words), signButton(w)), w.bar);
  lookWhoComes(w);
}
