/* Windows over the page: photos, a question before what can't be undone, a text to read. */
import {nameOf} from './item.js';
import {stars} from './stars.js';
import {openDialog} from '../../../web/lib/dialog.js';
import {el, icon} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./store.js').Review} Review */
/** @typedef {import('./widget.js').Reviews} Reviews */

const CROSS = 'M5 5l10 10M15 5L5 15';

/**
 * @param {Reviews} w
 * @param {string} label
 * @param {import('../../../web/lib/dom.js').Child[]} children
 */
export function openWindow(w, label, ...children) {
  return openDialog(w.node, 'mcr-window', label, shut =>
    el(
      'div.mcr-pane',
      null,
      el(
        'div.mcr-head',
        null,
        el('div.mcr-title', {role: 'heading', 'aria-level': 2}, label),
        el('button.mcr-icon', {'aria-label': w.t('reviewClose'), onclick: shut}, icon(CROSS)),
      ),
      children,
    ),
  );
}

/**
 * Words, perhaps with a field, and a button that does it.
 * @param {Reviews} w
 * @param {string} label
 * @param {string} field its label; '': there is none
 * @param {(text: string) => Promise<any>} act
 * @param {(data: any) => void} done
 * @param {string} [words]
 */
export function ask(w, label, field, act, done, words) {
  const input = el('textarea.mcr-input', {rows: 3, maxlength: 500, 'aria-label': field, dir: 'auto'});
  const error = el('div.mcr-error', {role: 'alert'});
  const go = el('button.mcr-btn', {onclick: send}, label);
  async function send() {
    go.disabled = true;
    error.textContent = '';
    try {
      const data = await act(input.value.trim());
      shut();
      done(data);
    } catch (e) {
      error.textContent = reason(w.t, /** @type {any} */ (e), !!field);
      go.disabled = false;
    }
  }
  const {shut} = openWindow(
    w,
    label,
    words && el('div', null, words),
    field && el('label.mcr-field', null, el('span.mcr-label', null, field), input),
    error,
    el('div.mcr-foot', null, el('button.mcr-plain', {onclick: () => shut()}, w.t('cancel')), go),
  );
}

/**
 * The photos of a review, by pointer and keys.
 * @param {Reviews} w
 * @param {Review} review
 * @param {number} at
 */
export function openViewer(w, review, at) {
  const {t} = w;
  const all = review.media.filter(one => one.url);
  at = all.indexOf(review.media[at]);
  const n = all.length;
  const image = /** @type {HTMLImageElement} */ (el('img.mcr-large', {referrerpolicy: 'no-referrer'}));
  const place = el('span', {'aria-live': 'polite'});
  /** @param {number} by */
  const show = by => {
    at = (at + by + n) % n;
    const {url, alt} = all[at];
    image.src = /^\/[^/]/.test(url) ? loader.base() + url : url;
    image.alt = alt || t('reviewPhoto', {n: at + 1});
    place.textContent = t('reviewPhotoOf', {n: at + 1, all: n});
  };
  const rtl = () => getComputedStyle(w.node).direction === 'rtl';
  const {node} = openWindow(
    w,
    nameOf(w, review.author),
    el('div.mcr-by', null, stars(review.star || 0), review.title && el('bdi', null, review.title)),
    image,
    el(
      'div.mcr-foot',
      null,
      n > 1 && el('button.mcr-plain', {onclick: () => show(-1)}, t('reviewPrevious')),
      place,
      n > 1 && el('button.mcr-plain', {onclick: () => show(1)}, t('reviewNext')),
    ),
  );
  node.addEventListener('keydown', event => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[/** @type {'ArrowLeft'} */ (event.key)];
    if (by && n > 1) show(rtl() ? -by : by);
  });
  show(0);
}
