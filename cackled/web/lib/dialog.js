/* A window over the page that has to be answered or closed first. It is the browser's own dialog: the page behind it is
   inert, focus stays in it, Escape closes it. */
import {el} from './dom.js';

/**
 * Opens it in *parent*. It is removed when it closes, and focus goes back where it came from.
 * @param {Element} parent
 * @param {string} name its class
 * @param {string} label what it is, for those who do not see it
 * @param {(shut: () => void) => import('./dom.js').Child} fill gives what is in it
 */
export function openDialog(parent, name, label, fill) {
  const before = /** @type {HTMLElement | null} */ (document.activeElement);
  const shut = () => /** @type {any} */ (node).close();
  const node = el('dialog.' + name, {
    'aria-label': label,
    onclose: () => {
      node.remove();
      if (before && before.isConnected) before.focus({preventScroll: true});
    },
    // Beside it: what is in it fills it.
    onclick: (/** @type {MouseEvent} */ event) => event.target === node && shut(),
  });
  node.append(/** @type {any} */ (fill(shut)));
  parent.append(node);
  /** @type {any} */ (node).showModal();
  return {node, shut};
}
