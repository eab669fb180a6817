/* Where a comment stands, as an address for others. */

/** @param {string} id */
export function webAddress(id) {
  const url = new URL(location.href);
  url.hash = 'mc-' + id;
  return url.href;
}
