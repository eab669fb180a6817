/* Completion of names after an @: people of this conversation first, then others whom the server knows. */
import {insert} from './paste.js';
import {el} from '../lib/dom.js';

/**
 * @typedef {object} Place
 * @property {HTMLTextAreaElement} input
 * @property {HTMLElement} foot the list stands before it
 * @property {string} label of the list
 * @property {() => Person[]} here people of this conversation, the latest first
 * @property {(start: string) => Promise<Person[]>} ask for others
 * @property {(person: Person) => HTMLElement} face
 * @property {(person: Person, before: string) => void} chosen told of who was chosen, and of the text before the name
 */

/** @typedef {import('./named.js').Person} Person */

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
  /** @type {Person[]} */
  let people = [];
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
  /** @param {Person} person */
  function choose(person) {
    const typed = /** @type {string} */ (start());
    shut();
    const from = input.selectionStart - typed.length;
    input.setSelectionRange(from, input.selectionStart);
    o.chosen(person, input.value.slice(0, from - 1));
    insert(input, person.name + ' ');
    shut();
  }
  function show() {
    if (!people.length) return hide();
    at = Math.min(at, people.length - 1);
    if (!list) {
      list = el('div.mc-names', {role: 'listbox', id, 'aria-label': o.label});
      o.foot.before(list);
    }
    list.replaceChildren(
      ...people.map((person, i) =>
        el(
          'div.mc-entry.mc-named',
          {
            role: 'option',
            id: id + '-' + i,
            'aria-selected': '' + (i === at),
            dir: 'auto',
            onpointerdown: event => {
              event.preventDefault();
              choose(person);
            },
          },
          o.face(person),
          el('bdi', null, person.name),
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
    /** @param {Person[]} all */
    const fitting = all => {
      // Two people may have one name.
      const known = new Set();
      return all.filter(({id, name}) => {
        const fits = folded(name)
          .split(/[\s.]+/)
          .some((_, i, words) => words.slice(i).join(' ').startsWith(wanted));
        return fits && !known.has(id) && known.add(id);
      });
    };
    /** @param {Person[]} all */
    const whole = all => {
      // A name that was written in full, and that one person has, needs no list.
      if (all.length !== 1 || folded(all[0].name) !== wanted.trim()) return all;
      o.chosen(all[0], input.value.slice(0, input.selectionStart - /** @type {string} */ (typed).length - 1));
      return [];
    };
    const near = fitting(o.here()).slice(0, MOST);
    const mine = ++asked;
    people = whole(near);
    at = 0;
    show();
    clearTimeout(timer);
    if (near.length >= MOST || !typed) return;
    timer = setTimeout(() => {
      o.ask(typed.trim()).then(
        more => {
          if (mine !== asked) return;
          people = whole(fitting([...near, ...more]).slice(0, MOST));
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
        at = (at + (key === 'ArrowDown' ? 1 : people.length - 1)) % people.length;
        show();
      } else if (key === 'Enter' || key === 'Tab') choose(people[at]);
      else if (key === 'Escape') shut();
      else return;
      event.preventDefault();
      event.stopImmediatePropagation();
    },
    true,
  );
  look();
}
