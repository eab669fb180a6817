/* Building DOM from data: createElement, textContent and attributes only. Storage of the visitor's things. */
(function (Cackle) {
  'use strict';
  var SVG = 'http://www.w3.org/2000/svg';
  // 20 px, 1.5 px stroke.
  var ICONS = {
    up: 'M5 12l5-5 5 5', down: 'M5 8l5 5 5-5', reply: 'M8 5L4 9l4 4M4 9h7a5 5 0 0 1 5 5v1',
    more: 'M4.5 10h.01M10 10h.01M15.5 10h.01', edit: 'M4 16l1-4 8-8 3 3-8 8-4 1z',
    bar: 'M2 15L6.5 4 11 15M3.6 11h5.8M18 8.5V15M18 11.7a2.6 3.2 0 1 1-5.2 0a2.6 3.2 0 1 1 5.2 0',
    emoji: 'M10 3a7 7 0 1 0 0 14 7 7 0 0 0 0-14zM7 12c1.5 2 4.5 2 6 0M7.6 8h.01M12.4 8h.01',
    preview: 'M2 10c4-6.5 12-6.5 16 0-4 6.5-12 6.5-16 0zM10 7.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z'
  };

  /* el('button.mc-a.mc-b', {attribute: value, onclick: fn}, child, 'text', [more]). null, false and undefined are left out. */
  Cackle.el = function el(spec, props) {
    var parts = spec.split('.'), node = document.createElement(parts[0]), key;
    if (parts.length > 1) node.className = parts.slice(1).join(' ');
    // No type, because pages style [type=button]; and yet it submits no form but ours.
    if (parts[0] === 'button') node.addEventListener('click', event => { if (!node.closest('.mc-form')) event.preventDefault(); });
    // Keys of its own only: pages put things on Object.prototype.
    Object.keys(props || {}).forEach(key => {
      var value = props[key];
      if (value == null || value === false) return;
      if (typeof value === 'function') node.addEventListener(key.slice(2), value);
      else node.setAttribute(key, value === true ? '' : value);
    });
    for (key = 2; key < arguments.length; key++) add(node, arguments[key]);
    return node;
  };
  /* A quiet control: a button to everybody but the page's own `button {..}`, which would make a slab of each vote arrow. */
  Cackle.press = function (spec, props) {
    var node = Cackle.el.apply(null, ['span.mc-press.' + spec, Object.assign({role: 'button', tabindex: 0, onkeydown: event => {
      if (event.target === node && (event.key === 'Enter' || event.key === ' ')) {
        event.preventDefault();
        node.click();
      }
    }}, props)].concat([].slice.call(arguments, 2)));
    return node;
  };
  function add(node, child) {
    if (child == null || child === false) return;
    if (Array.isArray(child)) child.forEach(c => { add(node, c); });
    else node.append(child);
  }

  /* By its name, or by its path where it is used by one part alone. */
  Cackle.icon = name => {
    var svg = document.createElementNS(SVG, 'svg'), path = document.createElementNS(SVG, 'path');
    var attributes = {viewBox: '0 0 20 20', width: 20, height: 20, fill: 'none', stroke: 'currentColor', 'stroke-width': name === 'more' ? 2.2 : 1.5,
      'stroke-linecap': 'round', 'stroke-linejoin': 'round', 'aria-hidden': 'true', 'class': 'mc-icon'};
    Object.keys(attributes).forEach(key => { svg.setAttribute(key, attributes[key]); });
    path.setAttribute('d', ICONS[name] || name);
    svg.append(path);
    return svg;
  };

  Cackle.uid = () => {
    if (window.crypto && crypto.randomUUID) return crypto.randomUUID();
    return crypto.getRandomValues(new Uint32Array(4)).join('-');
  };

  /* JSON as the language defines it, whatever the page has done: a toJSON on Object.prototype or Array.prototype is not called. */
  Cackle.json = function json(value) {
    var parts = [], i;
    if (Object(value) !== value) return JSON.stringify(Cackle.whole(value));
    if (Array.isArray(value)) {
      for (i = 0; i < value.length; i++) parts[i] = json(value[i]) || 'null';
      return '[' + parts.join() + ']';
    }
    Object.keys(value).forEach(key => {
      var text = json(value[key]);
      if (text !== undefined) parts[parts.length] = JSON.stringify(key) + ':' + text;
    });
    return '{' + parts.join() + '}';
  };
  /* Text with half surrogate pairs replaced: the server takes none. */
  Cackle.whole = value => typeof value === 'string' ? value.replace(/\p{Cs}/gu, '\ufffd') : value;
  /* An object that was stored, or an empty one: others may have written there. */
  Cackle.object = value => value && typeof value === 'object' && !Array.isArray(value) ? value : {};

  /* The options of a widget, each of the type it should be, or left out. */
  Cackle.options = given => {
    var o = Object.assign({}, given), level = parseInt(Cackle.text(o.level)), url;
    ['title', 'theme', 'countContainer', 'token'].forEach(key => { o[key] = Cackle.text(o[key]); });
    ['msg', 'callback'].forEach(key => { o[key] = Cackle.object(o[key]); });
    o.level = level >= 0 ? level : null;
    if (typeof o.renew !== 'function') o.renew = null;
    // Where the conversation is: an address for others, so that of a page which has one.
    try { url = new URL(Cackle.text(o.url) || location, document.baseURI); } catch (e) { url = new URL(document.baseURI); }
    if (!/^http/.test(url.protocol)) url = new URL(document.baseURI);
    url.hash = '';
    if (url.href.length > 1000) url.search = '';
    o.url = /^http/.test(url.protocol) && url.href.length <= 1000 ? url.href : '';
    return o;
  };

  /* Storage may be forbidden or full: then nothing is remembered. */
  Cackle.save = (key, value) => {
    try {
      if (value) localStorage.setItem('cackle:' + key, Cackle.json(value));
      else localStorage.removeItem('cackle:' + key);
    } catch (e) { /* not kept */ }
  };
  /* Per-tab storage that survives a reload. */
  Cackle.tab = {
    get: key => { try { return JSON.parse(sessionStorage.getItem('cackle:' + key)); } catch (e) { return null; } },
    set: (key, value) => { try { sessionStorage.setItem('cackle:' + key, Cackle.json(value)); } catch (e) { /* not kept */ } }
  };

  /* The server that was used is used for an hour, then drawn anew. */
  function keep() {
    var kept = Cackle.object(Cackle.load('server'));
    if (kept.url !== Cackle.base()) Cackle.save('server', {url: Cackle.base(), until: Date.now() + 36e5});
    else if (!(kept.until > Date.now())) Cackle.save('server', null);
  }
  keep();
  addEventListener('pagehide', keep);
})(window.Cackle);
