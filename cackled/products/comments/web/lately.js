/* CommentRecent and CommentTop: the latest comments of a site, or the best voted of some days, with links to their places. */
import {avatarOf} from './face.js';
import {el} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('../../../web/lib/loader.js').Mounted} Mounted */

/** @type {[number, Intl.RelativeTimeFormatUnit][]} */
const UNITS = [
  [31557600, 'year'],
  [2629800, 'month'],
  [86400, 'day'],
  [3600, 'hour'],
  [60, 'minute'],
];

/**
 * A number of the page's, within bounds.
 * @param {unknown} given
 * @param {number} other
 * @param {number} most
 */
const number = (given, other, most) => {
  const n = parseInt(loader.text(given), 10);
  return n >= 0 ? Math.min(n, most) : other;
};

/**
 * @param {string} text
 * @param {number} most characters
 */
function cut(text, most) {
  const characters = [...text];
  return characters.length > most
    ? characters
        .slice(0, most)
        .join('')
        .replace(/\s\S*$/, '') + '…'
    : text;
}

/**
 * @param {string} lang
 * @param {string} iso
 */
function ago(lang, iso) {
  const seconds = (Date.now() - Date.parse(iso)) / 1000;
  const [size, unit] = UNITS.find(one => seconds >= one[0]) || UNITS[4];
  const tag = [lang, lang.slice(0, 2), 'en'].find(one => {
    try {
      return Intl.RelativeTimeFormat.supportedLocalesOf(one).length;
    } catch {
      return false;
    }
  });
  const format = new Intl.RelativeTimeFormat(tag, {numeric: 'auto', style: 'short'});
  return format.format(-Math.max(1, Math.floor(seconds / size)), unit);
}

/**
 * @param {Mounted} widget
 * @param {string} place the id of its element, where the page names none
 * @param {number} days
 */
async function show({options: o, site, lang}, place, days) {
  const id = loader.text(o.container) || place;
  const node = document.getElementById(id);
  if (!node) return loader.warn('container', id);
  const sizes = {
    text: number(o.textSize, 150, 500),
    title: number(o.titleSize, 40, 300),
    face: number(o.avatarSize, 32, 200),
  };
  const query = new URLSearchParams({size: '' + Math.max(1, number(o.size, 5, 20)), days: '' + days});
  if (loader.text(o.token)) query.append('token', loader.text(o.token));
  // A list can be read without it.
  const styled = loader.lazy('lately.css').catch(() => {});
  const answer = await loader.get('/api/v1/sites/' + encodeURIComponent(site || 0) + '/comments/lately?' + query);
  if (!answer.ok) return;
  const {comments} = await answer.json();
  const html = loader.text(o.html);
  /** @param {any} one */
  const values = ({comment: c, title, key}) => {
    // Tags are no spaces.
    const text = /** @type {string} */ (
      el('div', null, safeHtml(c.html.replace(/<\/(p|li|pre)>|<br>/g, ' $&'))).textContent
    );
    return {
      author: c.author ? c.author.name : '',
      text: cut(text.trim().replace(/\s+/g, ' '), sizes.text),
      title: cut(title || key, sizes.title),
      time: ago(lang, c.created),
      score: '' + c.score,
    };
  };
  const filled = html ? (await import('./markup.js')).markup : null;
  await styled;
  node.classList.add('mc-lately');
  node.lang = lang;
  node.replaceChildren(
    el(
      'div.mc-latelist',
      {role: 'list'},
      comments.map((/** @type {any} */ one) => {
        const v = /** @type {Record<string, string>} */ (values(one));
        const face = avatarOf(one.comment.author);
        face.style.width = face.style.height = sizes.face + 'px';
        const inside = filled
          ? // A value is text, whatever stands in it: the template alone has tags.
            [...filled(html).childNodes].map(child => fill(child, v))
          : [
              el('bdi.mc-latename', null, v.author),
              ' ',
              el('span.mc-latetext', {dir: 'auto'}, v.text),
              ' ',
              el('span.mc-lateplace', null, el('bdi', null, v.title), ' · ', v.time),
            ];
        const link = one.permalink
          ? el('a.mc-latelink', {href: one.permalink}, inside)
          : el('span.mc-latelink', null, inside);
        return el('div.mc-late', {role: 'listitem'}, sizes.face > 0 && face, link);
      }),
    ),
  );
}

/**
 * A part of the template with its places filled in.
 * @param {Node} node
 * @param {Record<string, string>} values
 * @returns {Node}
 */
function fill(node, values) {
  if (node.nodeType === 3) {
    node.nodeValue = /** @type {string} */ (node.nodeValue).replace(/\{(\w+)\}/g, (all, name) =>
      Object.prototype.hasOwnProperty.call(values, name) ? values[name] : all,
    );
  } else [...node.childNodes].forEach(child => fill(child, values));
  return node;
}

/**
 * What can't be shown leaves what the page has there.
 * @param {Promise<unknown>} work
 */
const quietly = work => {
  work.catch(() => {
    // Nothing.
  });
};
loader.widgets.CommentRecent = widget => quietly(show(widget, 'mc-last', 0));
loader.widgets.CommentTop = widget => quietly(show(widget, 'mc-top', Math.max(1, number(widget.options.days, 7, 366))));
