/* What names a conversation, where the page's address is too long to be sent, or options say more. */
// @ts-nocheck
import {loader} from './loader.js';

// Parameters that say how a visitor came, not where to.
var TRACKING =
  /^(?:utm_[^=]*|[a-z0-9_]+clid|gclsrc|gbraid|wbraid|gad_[^=]*|srsltid|_openstat|msclkid|li_fat_id|igshid|igsh|mc_cid|mc_eid|mkt_tok|_hsenc|_hsmi|_ga|_gl|vero_id|oly_enc_id|oly_anon_id|mtm_[^=]*|pk_campaign|pk_kwd)(?:=|$)/i;
/* Upper case for escapes, none for what needs none; what an address can't hold is escaped. */
function normal(text) {
  return text.replace(/%[\da-f]{2}|[^\w.~!$&'()*+,;=:@/?-]/gi, found => {
    if (!found[1]) return encodeURIComponent(found).replace(/[!'()*]/g, escape);
    var letter = unescape(found);
    return /[\w.~-]/.test(letter) ? letter : found.toUpperCase();
  });
}
/* At most 500 UTF-16 units: of a longer one a hash of the rest (FNV-1a, 64 bits). */
function fit(key) {
  if (key.length <= 500) return key;
  var kept = key
      .slice(0, 483)
      .replace(/[\ud800-\udbff]$/, '')
      .replace(/%.?$/, ''),
    hash = 0xcbf29ce484222325n,
    n;
  for (n = kept.length; n < key.length; n++)
    hash = BigInt.asUintN(64, (hash ^ BigInt(key.charCodeAt(n))) * 0x100000001b3n);
  return kept + '~' + hash.toString(16).padStart(16, '0');
}
/* The channel of the page at `url` (a URL), as page_key of cackled/domain/page_keys.py makes it. host: with the host before it. */
export const pageKey = (url, host) => {
  var query = normal(url.search.slice(1))
    .split('&')
    .filter(part => part && !TRACKING.test(part))
    .join('&');
  var key = fit('/' + normal(url.pathname).replace(/^\/+|\/+$/g, '') + (query && '?' + query));
  return host && url.host ? fit('//' + url.host.replace(/^www\./, '') + key) : key;
};
/* In place of the loader's, with all options. */
loader.channel = o => {
  var text = loader.text,
    channel = text(o.channel),
    link = !o.url && o.canonical && document.querySelector('link[rel=canonical]'),
    param = text(o.chanParam),
    own,
    url;
  if (channel) return {channel: fit(channel)};
  try {
    url = new URL(text(o.url) || (link ? link.href : ''), location);
  } catch (e) {
    url = new URL(document.baseURI);
  }
  own = url.searchParams.get(param);
  url.hash = '';
  if (param || o.chanWithoutParams) url.search = '';
  if (own) url.searchParams.set(param, own);
  return Object.assign({url: url.href.length < 2000 ? url.href : url.origin + pageKey(url)}, o.chanHost && {host: 1});
};
