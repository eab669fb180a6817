/* Marks a comment for a moment: it has just come, or is what was looked for. */

/** @typedef {import('./store.js').Item} Item */

/** @param {Item} item */
export function flash(item) {
  const list = item.body.classList;
  list.remove('mc-fresh');
  void item.body.offsetWidth;
  list.add('mc-fresh');
  setTimeout(() => {
    list.remove('mc-fresh');
  }, 2200);
}
