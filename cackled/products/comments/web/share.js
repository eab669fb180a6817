/* Sharing a comment: a window of the network's own, with the comment's address. Nothing of any network is loaded before. */
import {webAddress} from './place.js';

/** @typedef {{name: string, open: (url: string, text: string) => string}} Network */

const q = encodeURIComponent;
/** @type {Record<string, Network>} */
const NETWORKS = {
  bluesky: {name: 'Bluesky', open: (url, text) => 'https://bsky.app/intent/compose?text=' + q(text + ' ' + url)},
  facebook: {name: 'Facebook', open: url => 'https://www.facebook.com/sharer/sharer.php?u=' + q(url)},
  linkedin: {name: 'LinkedIn', open: url => 'https://www.linkedin.com/sharing/share-offsite/?url=' + q(url)},
  mastodon: {name: 'Mastodon', open: (url, text) => 'https://mastodonshare.com/?text=' + q(text) + '&url=' + q(url)},
  odnoklassniki: {name: 'OK', open: (url, text) => 'https://connect.ok.ru/offer?url=' + q(url) + '&title=' + q(text)},
  reddit: {name: 'Reddit', open: (url, text) => 'https://www.reddit.com/submit?url=' + q(url) + '&title=' + q(text)},
  telegram: {name: 'Telegram', open: (url, text) => 'https://t.me/share/url?url=' + q(url) + '&text=' + q(text)},
  vkontakte: {name: 'VK', open: (url, text) => 'https://vk.com/share.php?url=' + q(url) + '&title=' + q(text)},
  whatsapp: {name: 'WhatsApp', open: (url, text) => 'https://wa.me/?text=' + q(text + ' ' + url)},
  twitter: {name: 'X', open: (url, text) => 'https://x.com/intent/post?url=' + q(url) + '&text=' + q(text)},
};
/** @type {Record<string, string>} */
const SAME = {vk: 'vkontakte', ok: 'odnoklassniki', x: 'twitter', fb: 'facebook', tg: 'telegram'};
const OURS = ['telegram', 'whatsapp', 'twitter', 'facebook', 'bluesky', 'mastodon', 'vkontakte', 'reddit', 'linkedin'];
const SHARE =
  'M7.5 9l5-3M7.5 11l5 3M6 12a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM14 7a2 2 0 1 0 0-4 2 2 0 0 0 0 4zM14 17a2 2 0 1 0 0-4 2 2 0 0 0 0 4z';
// Characters of a comment that are sent along.
const MOST = 200;

/**
 * The networks that the page's option `shareSocial` names, in its order; ours where it names none that we know.
 * @param {unknown} wanted a list, or a text with semicolons
 */
export function chosenNetworks(wanted) {
  const names = (Array.isArray(wanted) ? wanted : String(wanted || '').split(/[;,\s]+/))
    .map(name => String(name).toLowerCase())
    .map(name => (Object.prototype.hasOwnProperty.call(SAME, name) ? SAME[name] : name))
    .filter((name, at, all) => Object.prototype.hasOwnProperty.call(NETWORKS, name) && all.indexOf(name) === at);
  return (names.length ? names : OURS).map(name => NETWORKS[name]);
}

/**
 * The entries of a menu.
 * @param {unknown} wanted
 * @param {string} id of the comment
 * @param {string} said its words
 */
export function shareChoices(wanted, id, said) {
  const text = said.trim().replace(/\s+/g, ' ');
  const short =
    [...text].length > MOST
      ? [...text]
          .slice(0, MOST)
          .join('')
          .replace(/\s+\S*$/, '') + ' …'
      : text;
  return chosenNetworks(wanted).map(one => ({
    icon: SHARE,
    words: one.name,
    act: () => {
      open(one.open(webAddress(id), short), '_blank', 'noopener,noreferrer,width=640,height=640');
    },
  }));
}
