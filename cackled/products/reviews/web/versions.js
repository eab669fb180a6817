/* What a review said before it was changed, the latest first. */
import {details, heading, nameOf, rich} from './item.js';
import {openWindow} from './viewer.js';
import {notice} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./store.js').Review} Review */
/** @typedef {import('./store.js').Said} Said */
/** @typedef {import('./widget.js').Reviews} Reviews */

/**
 * @param {Reviews} w
 * @param {Review} review
 */
export async function showVersions(w, review) {
  const {t} = w;
  try {
    const {versions} = await w.api('GET', `/reviews/${review.id}/versions`);
    if (w.closed) return;
    openWindow(
      w,
      t('reviewVersions') + ' · ' + nameOf(w, review.author),
      versions.length
        ? el(
            'div',
            {role: 'list'},
            versions.map((/** @type {Said & {until: string}} */ one) =>
              el(
                'div.mcr-c',
                {role: 'listitem'},
                heading(w, one),
                el('div.mcr-by', null, el('span.mcr-when', null, t('reviewUntil', {time: w.times.full(one.until)}))),
                rich(one.html, 'div.mcr-text'),
                details(w, one),
              ),
            ),
          )
        : el('div.mcr-none', null, t('reviewVersionsNone')),
    );
  } catch (error) {
    notice(w, reason(t, /** @type {any} */ (error)));
  }
}
