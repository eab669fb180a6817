/* What names a conversation, where the page's address is too long to be sent, or options say more. */
import {loader} from './loader.js';

// Parameters that say how a visitor came, not where to.
const TRACKING =
  /^(?:utm_[^=]*|[a-z0-9_]+clid|gclsrc|gbraid|wbraid|gad_[^=]*|srsltid|_openstat|msclkid|li_fat_id|igshid|igsh|mc_cid|mc_eid|mkt_tok|_hsenc|_hsmi|_ga|_gl|vero_id|oly_enc_id|oly_anon_id|mtm_[^=]*|pk_campaign|pk_kwd)(?:=|$)/i;

/**
 * Upper case for escapes, none for what needs none; what an address can't hold is escaped.
 * @param {string} text
 */
const normal = text =>
  text.replace(/%[\da-f]{2}|[^\w.~!$&'()*+,;=:@/?-]/gi, found => {
    if (!found[1]) return encodeURIComponent(found).replace(/[!'()*]/g, escape);
    const letter = unescape(found);
    return /[\w.~-]/.test(letter) ? letter : found.toUpperCase();
  });

/**
 * At most 500 UTF-16 units: of a longer one a hash of the rest (FNV-1a, 64 bits).
 * @param {string} key
 */
function fit(key) {
  if (key.length <= 500) return key;
  const kept = key
    .slice(0, 483)
    .replace(/[\ud800-\udbff]$/, '')
    .replace(/%.?$/, '');
  let hash = 0xcbf29ce484222325n;
  for (let n = kept.length; n < key.length; n++) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(key.charCodeAt(n))) * 0x100000001b3n);
  }
  return kept + '~' + hash.toString(16).padStart(16, '0');
}

/**
 * The channel of the page at `url`, as page_key of cackled/domain/page_keys.py makes it; with the `host` before it.
 * @param {URL} url
 * @param {boolean} [host]
 */
export function pageKey(url, host) {
  const query = normal(url.search.slice(1))
    .split('&')
    .filter(part => part && !TRACKING.test(part))
    .join('&');
  const key = fit('/' + normal(url.pathname).replace(/^\/+|\/+$/g, '') + (query && '?' + query));
  return host && url.host ? fit('//' + url.host.replace(/^www\./, '') + key) : key;
}

/* In place of the loader's, with all options. */
loader.channel = o => {
  const {text} = loader;
  const channel = text(o.channel);
  const link = !o.url && o.canonical && document.querySelector('link[rel=canonical]');
  const param = text(o.chanParam);
  let url;
  if (channel) return /** @type {Record<string, string>} */ ({channel: fit(channel)});
  try {
    url = new URL(text(o.url) || (link ? link.href : ''), location.href);
  } catch {
    url = new URL(document.baseURI);
  }
  const own = url.searchParams.get(param);
  url.hash = '';
  if (param || o.chanWithoutParams) url.search = '';
  if (own) url.searchParams.set(param, own);
  const sent = url.href.length < 2000 ? url.href : url.origin + pageKey(url);
  return /** @type {any} */ ({url: sent, ...(o.chanHost && {host: 1})});
};
