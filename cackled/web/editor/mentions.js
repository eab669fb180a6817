/* Completion of names after an @: people of this conversation first, then others whom the server knows. */
import {insert} from './paste.js';
import {el} from '../lib/dom.js';

/**
 * @typedef {object} Place
 * @property {HTMLTextAreaElement} input
 * @property {HTMLElement} foot the list stands before it
 * @property {string} label of the list
 * @property {() => string[]} here names of this conversation, the latest first
 * @property {(start: string) => Promise<string[]>} ask for others
 */

// So many names are offered, and so many characters of one are looked at.
const MOST = 6;
const LONGEST = 40;
// How long after the last key the server is asked.
const PAUSE = 200;
let made = 0;

/** @param {string} text */
const folded = text => text.toLowerCase().normalize('NFKD').replace(/\p{M}/gu, '');

/** @param {Place} o */
export function completeMentions(o) {
  const {input} = o;
  /** @type {HTMLElement | null} */
  let list = null;
  /** @type {string[]} */
  let names = [];
  let at = 0;
  let asked = 0;
  /** @type {number | undefined} */
  let timer;
  const id = 'mc-mentions-' + ++made;

  /** What was typed after the last @ before the caret; null: nothing of it. */
  function start() {
    if (input.selectionStart !== input.selectionEnd) return null;
    const before = input.value.slice(Math.max(0, input.selectionStart - LONGEST), input.selectionStart);
    const found = /(?:^|[\s([{"'«„“])@([^\s@][^@\n]*|)$/u.exec(before);
    return found ? found[1] : null;
  }
  function shut() {
    clearTimeout(timer);
    asked++;
    hide();
  }
  function hide() {
    if (list) list.remove();
    list = null;
    input.removeAttribute('aria-activedescendant');
    input.removeAttribute('aria-controls');
  }
  /** @param {string} name */
  function choose(name) {
    const typed = /** @type {string} */ (start());
    shut();
    input.setSelectionRange(input.selectionStart - typed.length, input.selectionStart);
    insert(input, name + ' ');
    shut();
  }
  function show() {
    if (!names.length) return hide();
    at = Math.min(at, names.length - 1);
    if (!list) {
      list = el('div.mc-names', {role: 'listbox', id, 'aria-label': o.label});
      o.foot.before(list);
    }
    list.replaceChildren(
      ...names.map((name, i) =>
        el(
          'div.mc-entry',
          {
            role: 'option',
            id: id + '-' + i,
            'aria-selected': '' + (i === at),
            dir: 'auto',
            onpointerdown: event => {
              event.preventDefault();
              choose(name);
            },
          },
          name,
        ),
      ),
    );
    input.setAttribute('aria-controls', id);
    input.setAttribute('aria-activedescendant', id + '-' + at);
  }
  function look() {
    const typed = start();
    if (typed === null || typed.split(' ').length > 3) return shut();
    const wanted = folded(typed);
    /** @param {string[]} all */
    const fitting = all => {
      const known = new Set();
      return all.filter(name => {
        const key = folded(name);
        const fits = key.split(/[\s.]+/).some((_, i, words) => words.slice(i).join(' ').startsWith(wanted));
        return fits && !known.has(key) && known.add(key);
      });
    };
    const near = fitting(o.here()).slice(0, MOST);
    const mine = ++asked;
    // A name that was written in full needs no list.
    names = near.length === 1 && folded(near[0]) === wanted.trim() ? [] : near;
    at = 0;
    show();
    clearTimeout(timer);
    if (near.length >= MOST || !typed) return;
    timer = setTimeout(() => {
      o.ask(typed.trim()).then(
        more => {
          if (mine !== asked) return;
          names = fitting([...near, ...more]).slice(0, MOST);
          if (names.length === 1 && folded(names[0]) === wanted.trim()) names = [];
          show();
        },
        () => {
          // Those of this conversation will do.
        },
      );
    }, PAUSE);
  }
  input.setAttribute('aria-autocomplete', 'list');
  input.addEventListener('input', look);
  input.addEventListener('blur', shut);
  input.addEventListener('click', look);
  // Before the box's own keys.
  input.addEventListener(
    'keydown',
    event => {
      if (!list || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      const {key} = event;
      if (key === 'ArrowDown' || key === 'ArrowUp') {
        at = (at + (key === 'ArrowDown' ? 1 : names.length - 1)) % names.length;
        show();
      } else if (key === 'Enter' || key === 'Tab') choose(names[at]);
      else if (key === 'Escape') shut();
      else return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
  look();
}
