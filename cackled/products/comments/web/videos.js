/* Videos that a comment names by a line that is nothing but their address: a button below it. */
import {facades} from '../../../web/lib/videos.js';
import {loader} from '../../../web/lib/loader.js';

export {videoAt} from '../../../web/lib/videos.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

/**
 * What the site of a video calls it, where that is known and wanted; or ''.
 * @param {Comments} w
 * @param {Item} item
 * @param {string} href
 */
function title(w, {c}, href) {
  const known = w.settings.previews && (c.links || []).find((/** @type {any} */ one) => one.video && one.url === href);
  return (known && loader.text(known.title)) || '';
}

/**
 * Puts the buttons below the text of a comment.
 * @param {Comments} w
 * @param {Item} item
 */
export function showVideos(w, item) {
  const place = facades(
    item.text,
    href => title(w, item, href),
    name => w.t('playVideo', {name}),
    'mc',
  );
  if (place) item.acts.before(place);
}
