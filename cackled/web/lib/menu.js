/* Menus of a button, and bars whose controls are one stop of the Tab key. */
import {el, icon, press} from './dom.js';

/** @typedef {{icon?: string, face?: string, words: string, act: () => void}} Choice an icon's path, or a face: text */

/**
 * Opens a menu beside a button, or shuts the one that is open. Arrows, Home, End and first letters move within; Escape
 * and Tab lead back.
 * @param {HTMLElement} button with aria-haspopup, in a box of its own
 * @param {Choice[]} choices
 */
export function openMenu(button, choices) {
  const box = /** @type {HTMLElement} */ (button.parentNode);
  /** @param {boolean} [back] to the button */
  function close(back) {
    const open = box.querySelector('.mc-menu');
    document.removeEventListener('pointerdown', outside, true);
    if (open) open.remove();
    button.setAttribute('aria-expanded', 'false');
    if (back) button.focus();
  }
  /** @param {Event} event */
  function outside(event) {
    if (!box.contains(/** @type {Node} */ (event.target))) close();
  }
  if (box.querySelector('.mc-menu')) return close(true);
  const entries = choices.map(choice => {
    const onclick = () => {
      close(true);
      choice.act();
    };
    const sign = choice.face ? el('span.mc-icon', {'aria-hidden': 'true'}, choice.face) : icon(choice.icon || '');
    const parts = [sign, el('span', null, choice.words)];
    return press('mc-entry', {role: 'menuitem', tabindex: -1, onclick}, parts);
  });
  const n = entries.length;
  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    const at = entries.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const key = event.key.toLowerCase();
    let to;
    if (event.key === 'Home') to = entries[0];
    else if (event.key === 'End') to = entries[n - 1];
    else if (event.key === 'ArrowDown') to = entries[(at + 1) % n];
    else if (event.key === 'ArrowUp') to = entries[(at - 1 + n) % n];
    // The next entry that begins with the letter.
    else if (key.length === 1 && key !== ' ' && !event.ctrlKey && !event.metaKey && !event.altKey) {
      const others = entries.slice(at + 1).concat(entries.slice(0, at + 1));
      to = others.find(e => /** @type {string} */ (e.textContent).toLowerCase().indexOf(key) === 0);
    }
    if (event.key === 'Escape') {
      event.stopPropagation();
      close(true);
    } else if (event.key === 'Tab') close(true);
    if (to) {
      event.preventDefault();
      to.focus();
    }
  }
  const menu = el('div.mc-menu', {role: 'menu', onkeydown}, entries);
  box.append(menu);
  const place = menu.getBoundingClientRect();
  if (place.bottom > innerHeight) menu.classList.add('mc-above');
  // Whole within the window, however narrow that is.
  const right = document.documentElement.clientWidth - 8 - place.right;
  menu.style.translate = Math.max(8 - place.left, Math.min(0, right)) + 'px';
  button.setAttribute('aria-expanded', 'true');
  document.addEventListener('pointerdown', outside, true);
  entries[0].focus();
}

/**
 * Each bar ([role=toolbar]) of a widget is one stop of the Tab key. Arrows move within, Home and End to its ends, up and
 * down to the same control of the bar of that kind above or below.
 * @param {import('./widget.js').Widget} widget
 * @param {string} kind class of the bars that lie one below another
 */
export function rove(widget, kind) {
  const {node} = widget;
  /**
   * @param {Element} bar
   * @returns {HTMLElement[]}
   */
  const all = bar =>
    /** @type {HTMLElement[]} */ ([...bar.querySelectorAll('.mc-press')].filter(one => !one.closest('.mc-menu')));
  widget.listen(node, 'focusin', event => {
    const bar = event.target.closest('[role=toolbar]');
    const mine = bar ? all(bar) : [];
    if (!mine.includes(event.target)) return;
    mine.forEach(one => {
      one.tabIndex = one === event.target ? 0 : -1;
    });
  });
  widget.listen(node, 'keydown', event => {
    const {key, target} = event;
    const bar = target.closest('[role=toolbar]');
    const mine = bar ? all(bar) : [];
    const at = mine.indexOf(target);
    const forth = getComputedStyle(node).direction === 'rtl' ? 'ArrowLeft' : 'ArrowRight';
    const back = forth === 'ArrowLeft' ? 'ArrowRight' : 'ArrowLeft';
    let to;
    if (at < 0 || event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    if (key === forth) to = mine[(at + 1) % mine.length];
    else if (key === back) to = mine[(at + mine.length - 1) % mine.length];
    else if (key === 'Home') to = mine[0];
    else if (key === 'End') to = mine[mine.length - 1];
    else if ((key === 'ArrowDown' || key === 'ArrowUp') && bar.classList.contains(kind)) {
      const rows = [...node.querySelectorAll(`.${kind}[role=toolbar]`)].filter(one => one.getClientRects().length);
      const row = rows[rows.indexOf(bar) + (key === 'ArrowDown' ? 1 : -1)];
      if (row) to = all(row).find(one => one.className === target.className) || all(row)[0];
    }
    if (!to) return;
    event.preventDefault();
    to.focus();
  });
}
