/* Long conversations: what is far from the window leaves the page and comes back before it is seen, whole branches and each
   answer within a long one. Its place stays, as high as it was, so that nothing moves. */
import {wake} from './item.js';

/** @typedef {import('./store.js').Item} Item */
/** @typedef {import('./widget.js').Comments} Comments */

// From so many comments on; and how far from the window, in pixels, they leave.
const MANY = 200;
const FAR = 1500;

/** @param {Comments} w */
export function watchWindow(w) {
  if (!window.IntersectionObserver) return;
  const eye = new IntersectionObserver(
    entries => {
      // Asked once: after each change the browser would lay the page out anew to answer.
      const focused = document.activeElement;
      const chosen = getSelection();
      const marked = chosen && !chosen.isCollapsed && chosen.rangeCount ? chosen.getRangeAt(0) : null;
      entries.forEach(({target, isIntersecting, boundingClientRect}) => {
        const item = w.store.items.get(target.id.slice(3));
        if (!target.isConnected || !item || item.node !== target) eye.unobserve(target);
        else if (isIntersecting) {
          if (item.away) rouse(item);
        } else if (!whole && w.store.items.size > MANY) sleep(item, boundingClientRect.height, focused, marked);
      });
    },
    {rootMargin: FAR + 'px 0px'},
  );
  /** Whether all has to be there: it is printed, or searched by the browser. */
  let whole = false;
  /** Whether there are many: those that came before are looked at once more then. */
  let many = false;
  const before = w.onItem;
  const again = () => {
    w.store.items.forEach(item => {
      eye.unobserve(item.node);
      eye.observe(item.node);
    });
  };
  /** @param {Item} item */
  const rouse = item => {
    if (!item.away) return;
    wake(item);
    w.times.refresh(item.node);
    // What is below was out of the page: it is looked at again.
    item.node.querySelectorAll('.mc-c').forEach((/** @type {Element} */ node) => eye.observe(node));
  };
  /** @param {Item} item */
  const look = item => {
    eye.observe(item.node);
    const now = w.store.items.size > MANY;
    if (now && !many) again();
    many = now;
  };
  w.onItem = item => {
    if (before) before(item);
    look(item);
  };
  w.store.items.forEach(look);
  w.closers.push(() => eye.disconnect());
  const all = () => {
    whole = true;
    w.store.items.forEach(rouse);
  };
  const some = () => {
    if (!whole) return;
    whole = false;
    again();
  };
  w.listen(window, 'beforeprint', all);
  w.listen(window, 'afterprint', some);
  w.listen(document, 'keydown', event => {
    if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'f') all();
  });
  // Whoever goes on reading has found it.
  w.listen(w.node, 'pointerdown', some);
}

/**
 * @param {Item} item
 * @param {number} height
 * @param {Element | null} focused
 * @param {Range | null} marked by the reader
 */
function sleep(item, height, focused, marked) {
  const {node} = item;
  const busy =
    item.away ||
    item.c.pending ||
    node.contains(focused) ||
    node.querySelector('.mc-form, .mc-menu, .mc-sending, .mc-undo, .mc-error, .mc-card') ||
    (marked && marked.intersectsNode(node));
  if (busy || !height) return;
  item.away = document.createDocumentFragment();
  node.style.height = height + 'px';
  item.away.append(...node.childNodes);
}
