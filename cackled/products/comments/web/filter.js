/* Some of a conversation's comments by themselves: one's own, or those of staff; each leads to its place. */
import {nameOf, notice} from './widget.js';
import {el, icon, press} from '../../../web/lib/dom.js';
import {safeHtml} from '../../../web/lib/html.js';
import {openMenu} from '../../../web/lib/menu.js';
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./widget.js').Comments} Comments */

const ME = 'M10 4a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM4 17c0-3.5 2.5-5 6-5s6 1.5 6 5';
const STAFF = 'M10 3l2 4.5 5 .5-3.8 3.3L14.4 16 10 13.4 5.6 16l1.2-4.7L3 8l5-.5z';
// Characters of a text that are shown.
const BEGINNING = 200;

/**
 * The button beside the orders, where the first render has left room for it.
 * @param {Comments} w
 */
export function addFilter(w) {
  const words = w.t('filter');
  /** @type {HTMLElement} */
  const button = press(
    'mc-sort.mc-filter',
    {
      'aria-label': words,
      title: words,
      'aria-haspopup': 'menu',
      'aria-expanded': 'false',
      onclick: () => openFilter(w, button),
    },
    icon('M3 5h14M6 10h8M8.5 15h3'),
  );
  w.sorts.append(el('span.mc-morebox.mc-filterbox', null, button));
}

/**
 * @param {Comments} w
 * @param {HTMLElement} button
 */
function openFilter(w, button) {
  /**
   * @param {'me' | 'staff'} by
   * @param {string} words
   */
  const show = (by, words) => () => showFiltered(w, by, words, button);
  const mine = {icon: ME, words: w.t('mineOnly'), act: show('me', w.t('mineOnly'))};
  const staff = {icon: STAFF, words: w.t('staffOnly'), act: show('staff', w.t('staffOnly'))};
  openMenu(button, w.session.visitor() ? [mine, staff] : [staff]);
}

/**
 * @param {Comments} w
 * @param {'me' | 'staff'} by
 * @param {string} words
 * @param {HTMLElement} button
 */
async function showFiltered(w, by, words, button) {
  const {t} = w;
  const rows = el('div.mc-found', {role: 'list'});
  const foot = el('div');
  const shut = () => {
    node.remove();
    w.filtered = null;
    button.focus();
  };
  const head = el(
    'div.mc-foundhead',
    null,
    el('span.mc-name', null, words),
    press('mc-act', {onclick: shut}, t('close')),
  );
  const node = el('div.mc-filtered', {role: 'region', 'aria-label': words, tabindex: -1}, head, rows, foot);
  node.addEventListener('keydown', event => {
    if (event.key === 'Escape') shut();
  });
  let cursor = '';
  /** @param {Comment} c */
  const row = c => {
    const text = /** @type {string} */ (el('div', null, safeHtml(c.html)).textContent).trim();
    const short = text.length > BEGINNING ? text.slice(0, BEGINNING).replace(/\s\S*$/, '') + '…' : text;
    const link = el('a.mc-foundtext', {href: location.href.split('#')[0] + '#mc-' + c.id, dir: 'auto'}, short);
    const top = el('div.mc-head', null, el('bdi.mc-name', null, nameOf(w, c.author)), w.times.node(c.created));
    return el('div', {role: 'listitem'}, top, link);
  };
  async function more() {
    const query = new URLSearchParams({channel: w.key, by, cursor});
    const data = await w.api('GET', '/comments/filtered?' + query, {mine: by === 'me'});
    rows.append(...data.comments.map(row));
    cursor = data.cursor || '';
    foot.replaceChildren();
    if (cursor) foot.append(press('mc-more', {onclick: () => more().catch(failed)}, t('loadMore')));
    if (rows.firstChild) return;
    rows.removeAttribute('role');
    rows.append(el('div.mc-note', null, t('nothingFound')));
  }
  /** @param {any} error */
  const failed = error => notice(w, reason(t, error));
  try {
    await more();
  } catch (error) {
    return failed(error);
  }
  if (w.filtered) w.filtered.remove();
  w.filtered = node;
  w.skip.before(node);
  node.focus({preventScroll: true});
}
