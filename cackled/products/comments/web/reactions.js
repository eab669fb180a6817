/* Reactions below a comment, as the first render shows them. */
import {isMute, whenReady} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

const FACE = 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM7 12c1.5 2 4.5 2 6 0M7.6 8h.01M12.4 8h.01';
/** @type {Record<string, string>} */
const WORDS = {
  like: 'react_like',
  love: 'react_love',
  laugh: 'react_laugh',
  wow: 'react_wow',
  sad: 'react_sad',
  thanks: 'react_thanks',
};

/**
 * What the site has, in its order: names, and what is shown for each.
 * @param {Comments} w
 * @returns {[string, string][]}
 */
export const kindsOf = w => w.settings.reactions || [];

/**
 * A reaction in the reader's words: some names have them.
 * @param {Comments} w
 * @param {string} name
 */
export function reactionName(w, name) {
  const key = WORDS[name];
  const words = key && w.t(key);
  // Those in English come later.
  return !words || words === key ? name : words;
}

/**
 * @param {Comments} w
 * @param {Item} item
 * @returns {HTMLElement | false} a place for them in the row of actions
 */
export function drawReactions(w, item) {
  if (!kindsOf(w).length || item.c.state) return false;
  item.reacts = el('span.mc-reacts');
  showReactions(w, item);
  return item.reacts;
}

/**
 * @param {Comments} w
 * @param {Item} item
 */
export function showReactions(w, item) {
  const {c, reacts} = item;
  const counts = c.reactions || {};
  const mine = w.store.reactions[c.id] || [];
  const mute = isMute(w);
  if (!reacts) return;
  /** @type {any} */
  const focused = reacts.contains(document.activeElement) && document.activeElement;
  const faces = kindsOf(w)
    .filter(([name]) => counts[name] > 0)
    .map(([name, face]) => {
      const words = reactionName(w, name);
      const inside = [el('span', {'aria-hidden': 'true'}, face), el('span.mc-n', null, w.t.number(counts[name]))];
      const label = {'aria-label': words + ' ' + counts[name], title: words};
      return mute
        ? el('span.mc-act.mc-react', {role: 'img', ...label}, inside)
        : press(
            'mc-act.mc-react',
            {
              ...label,
              'aria-pressed': '' + mine.includes(name),
              tabindex: -1,
              'data-name': name,
              onclick: () => whenReady(w, later => later.toggleReaction(w, item, name)),
            },
            inside,
          );
    });
  const menu = reacts.querySelector('.mc-menu');
  // Who chooses goes on choosing.
  if (menu && !mute) {
    for (const one of [...reacts.children]) if (!one.contains(menu)) one.remove();
    return reacts.prepend(...faces);
  }
  reacts.replaceChildren(...faces);
  if (!mute) {
    /** @type {HTMLElement} */
    const add = press(
      'mc-act.mc-face-add',
      {
        'aria-label': w.t('react'),
        title: w.t('react'),
        'aria-haspopup': 'menu',
        'aria-expanded': 'false',
        tabindex: -1,
        onclick: () => whenReady(w, later => later.openReactions(w, item, add)),
      },
      icon(FACE),
    );
    reacts.append(el('span.mc-morebox', null, add));
    if (focused) {
      const {name} = focused.dataset;
      /** @type {any} */
      const same = name && [...reacts.children].find(one => /** @type {HTMLElement} */ (one).dataset.name === name);
      (same || add).focus({preventScroll: true});
    }
  }
}
