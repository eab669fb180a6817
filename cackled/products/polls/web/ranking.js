/* Ranked ballots: the options in the voter's order, moved by keys, or dragged by mouse, finger or pen. */
import {button} from './draw.js';
import {el} from '../../../web/lib/dom.js';

/** @typedef {import('./polls.js').PollWidget} PollWidget */
/** @typedef {import('./ballot.js').Option} Option */

/**
 * The options as they are shown: of a ranked ballot that can be changed those with a place first, in their order.
 * @param {PollWidget} w
 * @param {boolean} open
 */
export function inOrder({poll, chosen}, open) {
  const {options, kind} = poll;
  if (kind !== 'ranked' || !open) return options;
  const placed = chosen.flatMap(id => options.filter(one => one.id === id));
  return [...placed, ...options.filter(one => !placed.includes(one))];
}

/**
 * The place of an option in a ranked ballot.
 * @param {PollWidget} w
 * @param {Option} option
 * @param {boolean} open
 */
export function order(w, {id, text}, open) {
  const {t} = w;
  const place = w.chosen.indexOf(id);
  const named = {name: text, n: place + 1};
  const disabled = !open;
  return el(
    'span.mcp-order',
    null,
    el('span.mcp-grip', {'aria-hidden': 'true'}, place >= 0 && open && '\u283f'),
    button(
      '-small.mcp-up',
      place < 0 ? '+' : t.number(place + 1),
      () => (place < 0 ? w.choose(id, true) : w.move(id, -1)),
      {
        disabled,
        'aria-label': t(place < 0 ? 'pollRank' : 'pollPlace', named),
        onkeydown: key => {
          const by = {ArrowUp: -1, ArrowDown: 1}[/** @type {'ArrowUp'} */ (key.key)];
          if (!by || place < 0) return;
          key.preventDefault();
          w.move(id, by);
        },
      },
    ),
    place >= 0 &&
      button('-small', '×', () => w.choose(id, false), {disabled, 'aria-label': t('pollUnrank', {name: text})}),
  );
}

/**
 * An option goes to the place of the one that it is dropped on. A finger drags it by its grip, so that the page can be
 * scrolled by all the rest; a mouse by anything that is no control.
 * @param {PollWidget} w
 * @param {HTMLElement} line
 * @param {string} id
 */
export function drag(w, line, id) {
  line.addEventListener('pointerdown', down => {
    const target = /** @type {HTMLElement} */ (down.target);
    const grip = target.closest('.mcp-grip');
    if (down.button || !w.chosen.includes(id) || !line.querySelector('.mcp-grip:not(:empty)')) return;
    if (target.closest('button, a') || !(grip || down.pointerType === 'mouse')) return;
    down.preventDefault();
    const root = /** @type {Document} */ (line.getRootNode());
    const lines = () => [.../** @type {NodeListOf<HTMLElement>} */ (w.node.querySelectorAll('[data-option]'))];
    let to = -1;
    /** @param {PointerEvent} event */
    const under = ({clientX, clientY}) => {
      const node = root.elementFromPoint(clientX, clientY);
      const over = node && w.node.contains(node) && node.closest('[data-option]');
      return over ? w.chosen.indexOf(over.getAttribute('data-option') || '') : -1;
    };
    // The lines are looked up each time: votes of others draw them anew.
    const mark = (/** @type {boolean} */ on) =>
      lines().forEach(one => {
        const key = one.dataset.option || '';
        one.classList.toggle('mcp-drag', on && key === id);
        one.classList.toggle('mcp-over', on && to >= 0 && key !== id && w.chosen[to] === key);
      });
    const move = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== down.pointerId) return;
      to = under(event);
      mark(true);
    };
    const end = (/** @type {PointerEvent} */ event) => {
      if (event.pointerId !== down.pointerId) return;
      removeEventListener('pointermove', move);
      removeEventListener('pointerup', end);
      removeEventListener('pointercancel', end);
      mark(false);
      if (w.closed || event.type !== 'pointerup') return;
      to = under(event);
      if (to >= 0) w.move(id, to - w.chosen.indexOf(id));
    };
    addEventListener('pointermove', move);
    addEventListener('pointerup', end);
    addEventListener('pointercancel', end);
    mark(true);
  });
}
