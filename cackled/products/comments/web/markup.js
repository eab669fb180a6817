/* The counter's `html` option. */
// Words of the page, `html` too, become these elements with their class, and else text: no markup is parsed.
const TAG = /<(\/?)(b|i|em|strong|small|sup|span)(?: class=["']([^"'<>]*)["'])?>|<|[^<]+/g;
/** @param {string} words */
export const markup = words => {
  const root = document.createDocumentFragment();
  /** @type {ParentNode & Node} */
  let top = root;
  words.replace(TAG, (all, end, name, style) => {
    if (!name) top.append(all);
    else if (end) top = /** @type {ParentNode & Node} */ (top === root ? root : top.parentNode);
    else {
      const child = document.createElement(name);
      top.append(child);
      top = child;
      if (style) child.className = style;
    }
    return '';
  });
  return root;
};
