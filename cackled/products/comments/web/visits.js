/* What a reader's browser remembers of a conversation: when they were here last, and which branches they folded. */
import {loader} from '../../../web/lib/loader.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./widget.js').Comments} Comments */

/** @param {Comments} w */
export const visitsOf = w => asObject(loader.load('visits:' + w.site));

/** @param {Comments} w */
export function recallVisit(w) {
  const kept = asObject(visitsOf(w)[w.key]);
  w.since = +kept.at || 0;
  w.folded = new Set([].concat(kept.folded || []).map(loader.text));
}

/**
 * @param {Comments} w
 * @param {Comment} c
 */
export const isFresh = (w, c) => w.since > 0 && Date.parse(c.created) > w.since;
