/* Pictures of a comment as they are shown, and those beside the box that one is written in. */
import {el, icon, press} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {save} from '../../../web/lib/storage.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */
/** @typedef {import('../../../web/pictures/list.js').Kept} Kept */

const PICTURE = 'M3 4.5h14v11H3zM3 13l4-4 4 4 2.5-2.5L17 14M13 7.6h.01';
// Of one comment.
const MOST = 4;
const PLACE = /^\/media\/[\w./-]+$/;

/**
 * Into the row that the first render left free for them.
 * @param {Item} item
 */
export function showAlbum({album, c}) {
  if (!album || album.firstChild) return;
  album.append(
    ...(c.media || []).slice(0, MOST).flatMap((/** @type {any} */ one, /** @type {number} */ at) => {
      if (!PLACE.test(one.url)) return [];
      const href = loader.base() + one.url;
      const image = el('img', {
        // A link needs words.
        alt: loader.text(one.alt) || ((c.author && loader.text(c.author.name)) || '#') + ' ' + (at + 1),
        width: +one.width || 1,
        height: +one.height || 1,
        loading: 'lazy',
        decoding: 'async',
        referrerpolicy: 'no-referrer',
        src: href,
      });
      if (/^#[\da-f]{6}$/.test(one.color)) image.style.background = one.color;
      return [el('a', {href, target: '_blank', rel: 'noopener'}, image)];
    }),
  );
}

/**
 * What a draft or an earlier page kept, whatever stands there.
 * @param {unknown} kept
 * @returns {Kept[]}
 */
export const keptOf = kept =>
  (Array.isArray(kept) ? kept : [])
    .map(asObject)
    .filter(one => /^\d+-[\w-]{22}$/.test(loader.text(one.id)) && PLACE.test(loader.text(one.src || one.url)))
    .map(one => ({id: one.id, src: one.src || one.url, color: loader.text(one.color), alt: loader.text(one.alt)}));

/**
 * The pictures beside a box. The code for it comes when somebody begins to write.
 * @param {Comments} w
 * @param {HTMLElement} node the form
 * @param {HTMLElement} foot
 * @param {string} key under which they are stored
 * @param {Kept[]} before those of a comment that is changed
 * @param {() => void} changed
 */
export function makeAlbum(w, node, foot, key, before, changed) {
  const {t} = w;
  /** @type {Promise<void> | null} */
  let coming = null;
  /** @type {any} */
  let opened = null;
  const kept = keptOf(loader.load(key));
  let given = kept.length ? kept : before;
  const button = press(
    'mc-act.mc-tool.mc-addpics',
    {
      'aria-label': t('addPictures'),
      title: t('addPictures'),
      onclick: () => open().then(() => opened && opened.choose()),
    },
    icon(PICTURE),
  );
  const place = el('div.mc-addedpics');
  foot.before(place);
  node.addEventListener('focusin', open, {once: true});
  node.addEventListener('dragenter', open, {once: true});
  // Who was there before this.
  if (given.length || node.matches(':focus-within')) open();

  function open() {
    coming =
      coming ||
      import('../../../web/pictures/pictures.js').then(
        ({openPictures}) => {
          const {site, session} = w;
          opened = openPictures({node, place, session, t, site, count: MOST, changed: told});
          add(given);
        },
        () => {
          coming = null;
        },
      );
    return coming;
  }
  function told() {
    if (!opened) return;
    given = opened.list.kept;
    save(key, given.length ? given : null);
    changed();
  }
  /** @param {Kept[]} more */
  function add(more) {
    if (opened) opened.list.restore(more);
    else {
      given = more;
      if (more.length) open();
    }
  }
  return {
    button,
    add,
    /** Whether the text has to wait for them. */
    unsettled: () => !!opened && opened.list.unsettled,
    /** Those that are there. */
    kept: () => given,
    /** They are with what was sent. */
    clear() {
      given = [];
      if (opened) opened.list.clear();
      save(key, null);
    },
  };
}
