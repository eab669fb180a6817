/* The counter's `html` option. */
(Cackle => {
  'use strict';
  // Words of the page, `html` too, become these elements with their class, and else text: no markup is parsed.
  var TAG = /<(\/?)(b|i|em|strong|small|sup|span)(?: class=["']([^"'<>]*)["'])?>|<|[^<]+/g;
  Cackle.markup = words => {
    var root = document.createDocumentFragment(), top = root, child;
    words.replace(TAG, (all, end, name, style) => {
      if (!name) top.append(all);
      else if (end) top = top === root ? root : top.parentNode;
      else {
        top.append(child = document.createElement(name));
        top = child;
        if (style) child.className = style;
      }
      return '';
    });
    return root;
  };
})(window.Cackle);
