/* Previews of the pages that a comment links to, in the row of its pictures: title, some words, a picture. The text of a page is
   a stranger's, so all of it stands as text; the picture is our own server's. */
import {addSheet} from './sheet.js';
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./store.js').Item} Item */

const MOST = 3;
const PLACE = /^\/media\/[\w./-]+$/;
/**
 * @param {any} one
 * @returns {HTMLElement[]}
 */
function card({url, title, text, site, picture, video}) {
  // A video's title stands on its player.
  if (!/^https?:\/\//.test(url) || !title || video) return [];
  const {url: src = '', width, height, color} = picture || {};
  const image =
    PLACE.test(src) &&
    el('img.mc-linkcardpic', {
      alt: '',
      width: +width || 1,
      height: +height || 1,
      loading: 'lazy',
      decoding: 'async',
      referrerpolicy: 'no-referrer',
      src: loader.base() + src,
    });
  if (image && /^#[\da-f]{6}$/.test(color)) image.style.background = color;
  return [
    el(
      'a.mc-linkcard',
      {href: url, target: '_blank', rel: 'nofollow ugc noopener noreferrer', dir: 'auto'},
      image,
      el(
        'span.mc-linkcardwords',
        null,
        el('span.mc-linkcardsite', {dir: 'auto'}, loader.text(site)),
        el('span.mc-linkcardtitle', {dir: 'auto'}, loader.text(title)),
        el('span.mc-linkcardtext', {dir: 'auto'}, loader.text(text)),
      ),
    ),
  ];
}

/**
 * @param {Item} item
 * @param {ParentNode} row
 */
export async function showCards({c}, row) {
  await addSheet('cards.css');
  if (row.querySelector('.mc-linkcard')) return;
  row.append(.../** @type {any[]} */ (c.links || []).slice(0, MOST).flatMap(card));
}
