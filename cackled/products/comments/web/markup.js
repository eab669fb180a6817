/* The counter's `html` option. */
// @ts-nocheck
// Words of the page, `html` too, become these elements with their class, and else text: no markup is parsed.
const TAG = /<(\/?)(b|i|em|strong|small|sup|span)(?: class=["']([^"'<>]*)["'])?>|<|[^<]+/g;
export const markup = words => {
  let root = document.createDocumentFragment(),
    top = root,
    child;
  words.replace(TAG, (all, end, name, style) => {
    if (!name) top.append(all);
    else if (end) top = top === root ? root : top.parentNode;
    else {
      top.append((child = document.createElement(name)));
      top = child;
      if (style) child.className = style;
    }
    return '';
  });
  return root;
};
