/* What a reader's browser remembers of a conversation: when they were here last, and which branches they folded. */
import {loader} from '../../../web/lib/loader.js';
import {save} from '../../../web/lib/storage.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./widget.js').Comments} Comments */

// Conversations of a site, and folded branches of one, that are remembered.
const MOST = 100;

/** @param {Comments} w */
const all = w => asObject(loader.load('visits:' + w.site));

/** @param {Comments} w */
export function recallVisit(w) {
  const kept = asObject(all(w)[w.key]);
  w.since = +kept.at || 0;
  w.folded = new Set([].concat(kept.folded || []).map(loader.text));
}

/**
 * @param {Comments} w
 * @param {Comment} c
 */
export const isFresh = (w, c) => w.since > 0 && Date.parse(c.created) > w.since;

/**
 * @param {Comments} w
 * @param {number} at milliseconds
 */
export function keepVisit(w, at) {
  const rest = Object.entries(all(w)).filter(one => one[0] !== w.key);
  rest.sort((a, b) => (+asObject(b[1]).at || 0) - (+asObject(a[1]).at || 0)).splice(MOST - 1);
  const folded = [...w.folded].slice(-MOST);
  save('visits:' + w.site, Object.fromEntries([[w.key, {at, folded}], ...rest]));
}
