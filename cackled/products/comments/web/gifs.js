/* Search for moving pictures on the site's own server: words, and what is found as buttons. The one that is pressed is fetched by
   our server, and stands among the pictures of the comment. */
import {addSheet} from './sheet.js';
import {reason} from '../../../web/lib/reasons.js';
import {el, press} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./widget.js').Comments} Comments */
/** @typedef {{preview: string, url: string, alt: string}} Gif */
/**
 * @typedef {object} Place
 * @property {HTMLElement} foot the search stands before it
 * @property {any} button that opens the search and shuts it
 * @property {(picture: {id: string, src: string, color: string, alt: string}) => void} take
 */

// Milliseconds after the last key.
const PAUSE = 400;

/**
 * Opens the search, or shuts it.
 * @param {Comments} w
 * @param {Place} place
 */
export function openGifs(w, {foot, button, take}) {
  const {t} = w;
  function shut() {
    clearTimeout(timer);
    asked++;
    button.panel.remove();
    button.panel = null;
    button.setAttribute('aria-expanded', 'false');
  }
  /** @type {number | undefined} */
  let timer;
  let asked = 0;
  let busy = false;
  if (button.panel) {
    button.panel.end();
    return;
  }
  addSheet('gifs.css');
  const told = el('div.mc-hint', {role: 'status'});
  const found = el('div.mc-gifs', {role: 'group', 'aria-label': t('gifs')});
  const input = el('input.mc-nick.mc-gifwords', {
    type: 'search',
    placeholder: t('gifs'),
    'aria-label': t('gifs'),
    maxlength: 100,
    dir: 'auto',
    oninput: () => {
      clearTimeout(timer);
      timer = setTimeout(ask, PAUSE);
    },
    onkeydown: (/** @type {KeyboardEvent} */ event) => {
      if (event.key === 'Enter') {
        // Not the comment.
        event.preventDefault();
        ask();
      }
    },
  });
  /** @type {any} */
  const node = el('div.mc-gifbox', {onkeydown: keys}, input, told, found);
  node.end = shut;
  button.panel = node;
  button.setAttribute('aria-expanded', 'true');
  foot.before(node);
  input.focus();
  ask();

  /** @param {KeyboardEvent} event */
  function keys(event) {
    if (event.key === 'Escape') {
      event.stopPropagation();
      shut();
      button.focus();
      return;
    }
    const all = /** @type {HTMLElement[]} */ ([...found.children]);
    const at = all.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const back = getComputedStyle(node).direction === 'rtl' ? 'ArrowRight' : 'ArrowLeft';
    const step = {ArrowDown: 1, ArrowUp: -1, ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (!step || (at < 0 && event.key !== 'ArrowDown')) return;
    event.preventDefault();
    const sideways = event.key === 'ArrowLeft' || event.key === 'ArrowRight';
    const next = at + (sideways ? (event.key === back ? -1 : 1) : step);
    if (next < 0) input.focus();
    else if (all[next]) all[next].focus();
  }

  function ask() {
    clearTimeout(timer);
    const mine = ++asked;
    w.api('GET', '/gifs?' + new URLSearchParams({q: input.value.trim()}), {mine: true}).then(
      answer => mine === asked && show(answer.gifs),
      error => {
        if (mine === asked) told.textContent = reason(t, error);
      },
    );
  }

  /** @param {Gif[]} gifs */
  function show(gifs) {
    told.textContent = gifs.length ? '' : t('nothingFound');
    found.replaceChildren(
      ...gifs
        .filter(one => /^https?:/.test(one.preview))
        .map(one =>
          press(
            'mc-gif',
            {'aria-label': loader.text(one.alt) || 'GIF', title: loader.text(one.alt), onclick: () => choose(one)},
            el('img', {src: one.preview, alt: '', loading: 'lazy', decoding: 'async', referrerpolicy: 'no-referrer'}),
          ),
        ),
    );
  }

  /** @param {Gif} one */
  function choose({url, alt}) {
    if (busy) return;
    busy = true;
    node.setAttribute('aria-busy', 'true');
    told.textContent = '';
    w.api('POST', '/gifs', {mine: true, body: {url, alt}})
      .then(
        made => {
          const files = /** @type {any[]} */ (made.files).filter(file => /webp$/.test(file.type));
          take({
            id: made.id,
            src: (files.find(file => file.width >= 320) || files[0]).src,
            color: made.color,
            alt: made.alt,
          });
          if (button.panel === node) shut();
        },
        error => {
          told.textContent = reason(t, error);
        },
      )
      .finally(() => {
        busy = false;
        node.removeAttribute('aria-busy');
      });
  }
}
