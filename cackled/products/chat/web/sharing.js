/* One conversation over the subdomains of a site, by a cookie: loaded where the page asks for that (`cookieDomain`). */
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

// Seconds that it is kept: 30 days.
const KEPT = 2592000;

/**
 * The domain that a cookie may be set for: one that the host lies in. Whether it is a public suffix is not known here:
 * browsers refuse cookies for those (see `share`).
 * @param {string} wanted
 * @param {string} host
 */
export function cookieDomain(wanted, host) {
  const domain = wanted.toLowerCase().replace(/^\.+/, '');
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(domain) || /\.\d+$/.test(domain)) return '';
  return host === domain || host.endsWith('.' + domain) ? domain : '';
}

/** @param {ChatPanel} w */
const nameOf = w => 'cackle_chat_' + w.site;

/** @param {ChatPanel} w */
function domainOf(w) {
  const wanted = loader.text(w.core.options.cookieDomain);
  const domain = cookieDomain(wanted, location.hostname);
  if (!domain) loader.warn('cookieDomain', wanted);
  return domain;
}

/**
 * What the cookie says: a conversation, its secret and its channel; [] where there is none.
 * @param {ChatPanel} w
 */
function read(w) {
  const begins = nameOf(w) + '=';
  const found = document.cookie.split('; ').find(one => one.startsWith(begins));
  try {
    return found ? found.slice(begins.length).split('.').map(decodeURIComponent) : [];
  } catch {
    // None of ours.
    return [];
  }
}

/**
 * Goes on with the conversation of another subdomain: the cookie is newer than what this one stored.
 * @param {ChatPanel} w
 */
export function adopt(w) {
  if (!domainOf(w)) return;
  const [chat, token, channel] = read(w);
  if (/^\d{1,19}$/.test(chat) && token && chat !== w.core.state().chat) w.core.keep({chat, token, channel}, true);
}

/**
 * Tells other subdomains of the conversation. Where it was left, the cookie goes, unless it is about another by now.
 * @param {ChatPanel} w
 * @param {string} [old] the one that was left
 */
export function share(w, old) {
  const domain = domainOf(w);
  if (!domain) return;
  const {chat, token, channel} = w.core.state();
  if (!chat && old && read(w)[0] !== old) return;
  const value = chat ? [chat, token, channel].map(one => encodeURIComponent(one).replace(/\./g, '%2E')).join('.') : '';
  document.cookie = `${nameOf(w)}=${value}; domain=${domain}; path=/; max-age=${chat ? KEPT : 0}; samesite=lax${location.protocol === 'https:' ? '; secure' : ''}`;
  // Not kept: the browser knows the domain as a public suffix.
  if (chat && read(w)[0] !== chat) loader.warn('cookieDomain', domain);
}
