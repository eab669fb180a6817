// Numbers beside the entries of a site's menu: what waits there. Whoever listens to it sets its own.
import {signal} from './libraries.js';

/** By `<site>/<entry>`. */
export const badges = signal(/** @type {Record<string, number>} */ ({}));

/** @param {string | number} site @param {string} entry @param {number} many */
export function badge(site, entry, many) {
  const key = `${site}/${entry}`;
  if ((badges.peek()[key] || 0) !== many) badges.value = {...badges.peek(), [key]: many};
}
