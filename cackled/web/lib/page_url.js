/* Where a conversation is, as the server is told it. */
import {loader} from './loader.js';

/**
 * An address for others, so that of a page which has one; nothing where there is none.
 * @param {Record<string, any>} o the page's options
 * @returns {string | undefined}
 */
export function pageUrl(o) {
  let url;
  try {
    url = new URL(loader.text(o.url) || location.href, document.baseURI);
  } catch {
    url = new URL(document.baseURI);
  }
  if (!/^http/.test(url.protocol)) url = new URL(document.baseURI);
  url.hash = '';
  if (url.href.length > 1000) url.search = '';
  return /^http/.test(url.protocol) && url.href.length <= 1000 ? url.href : undefined;
}
