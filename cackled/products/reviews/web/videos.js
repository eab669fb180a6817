/* Videos that a review names by a line that is nothing but their address: a button below its text. */
import {facades} from '../../../web/lib/videos.js';
import {loader} from '../../../web/lib/loader.js';

/**
 * Puts the buttons below the text of a review.
 * @param {import('./widget.js').Reviews} w
 * @param {import('./store.js').Review} r
 * @param {HTMLElement} text
 */
export function showVideos(w, r, text) {
  const known = (/** @type {string} */ href) => (r.videos || []).find(one => one.url === href);
  const place = facades(
    text,
    href => loader.text((known(href) || {}).title),
    name => w.t('reviewPlay', {name}),
    'mcr',
  );
  if (place) text.after(place);
}
