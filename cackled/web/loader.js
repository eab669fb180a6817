/* The loader, /widget.js: reads window.cackle_widget, picks a server, fetches a widget's files and its first data in
   parallel, mounts it. The server puts the deployment's configuration in place of the token below. */
((w, d) => {
  'use strict';
  const C = w.Cackle = w.Cackle || {};
  if (C.bootstrap) return C.bootstrap();
  const config = C.config = __CACKLE_CONFIG__;
  const script = d.currentScript || d.querySelector('script[src*="widget"]') || {};
  const origin = C.origin = new URL(script.src || '/', location).origin;
  const servers = config.servers.map(s => ({url: s.url.replace(/\/+$/, '') || origin, weight: s.weight, down: 0}));
  const files = {}, seen = new WeakSet();
  let current, policy, mounted = [];
  C.widgets = {};

  // Storage may be forbidden or full: then nothing is remembered.
  C.load = key => { try { return JSON.parse(localStorage.getItem('cackle:' + key)); } catch (e) { return null; } };
  C.save = (key, value) => {
    try {
      if (value) localStorage.setItem('cackle:' + key, JSON.stringify(value));
      else localStorage.removeItem('cackle:' + key);
    } catch (e) { /* not kept */ }
  };

  // A random server by weight, kept for an hour so that the browser's cache is of use.
  C.move = url => {
    current = url;
    C.save('server', {url, until: Date.now() + 36e5});
    return url;
  };
  C.base = () => {
    if (current) return current;
    let up = servers.filter(s => s.down < Date.now());
    if (!up.length) up = servers;
    const kept = C.load('server') || {};
    let dice = Math.random() * up.reduce((sum, s) => sum + s.weight, 0);
    return C.move((up.find(s => kept.until > Date.now() && s.url === kept.url) || up.find(s => (dice -= s.weight) < 0) || up[0]).url);
  };
  C.fail = base => {
    servers.map(s => s.url === base && (s.down = Date.now() + 3e4));
    if (base === current) C.save('server', current = null);
  };

  // GET from the current server, on failure once from each other one. 421: the site lives elsewhere, and so do we.
  C.get = (path, options, tries = 1) => {
    const base = C.base(), more = tries < servers.length;
    const next = () => { C.fail(base); return C.get(path, options, tries + 1); };
    return fetch(base + path, {credentials: 'omit', ...options}).then(s =>
      s.status === 421 && tries < 99 ? s.json().then(o => (servers.map(s => s.url = C.move(o.url)), C.get(path, options, 99)))
      : s.status > 499 && more ? next() : s,
      error => more && error.name !== 'AbortError' ? next() : Promise.reject(error));
  };

  // script.src is a Trusted Types sink: the policy lets through nothing but our own server's files.
  try {
    policy = w.trustedTypes.createPolicy('cackle', {createScriptURL: url => url.startsWith(C.base() + '/') ? url : ''});
  } catch (e) { /* none here, or the page allows no policy of ours */ }

  const insert = (path, tries) => new Promise((done, failed) => {
    const base = C.base(), url = base + path, css = /css$/.test(path), node = d.createElement(css ? 'link' : 'script');
    node.nonce = script.nonce;
    node.onload = done;
    node.onerror = () => {
      node.remove();
      C.fail(base);
      if (tries > servers.length) { delete files[path]; failed(path); }
      else setTimeout(() => insert(path, tries + 1).then(done, failed), tries < servers.length ? 0 : 2e3);
    };
    if (css) { node.rel = 'stylesheet'; node.href = url; }
    else { node.async = false; node.src = policy ? policy.createScriptURL(url) : url; }
    d.head.append(node);
  });
  C.files = paths => Promise.all([].concat(paths || []).map(path => files[path] = files[path] || insert(path, 1)));
  C.lazy = name => C.files(config.lazy[name]);

  // The server takes 500 characters.
  C.channel = o => {
    if (o.channel) return ('' + o.channel).slice(0, 500);
    const url = new URL(o.url || '', location), value = url.searchParams.get(o.chanParam);
    url.hash = '';
    if (o.chanParam || o.chanWithoutParams) url.search = '';
    if (value) url.searchParams.set(o.chanParam, value);
    return url.href.slice(0, 500);
  };

  const mount = (o, again) => {
    const kind = o.widget, bundle = config.bundles[kind], counts = kind === 'CommentCount';
    if (!bundle) return;
    const node = counts ? null : d.getElementById(o.container || 'mc-container'), site = '' + o.id, channel = C.channel(o);
    if (!node && !counts) return again || d.addEventListener('DOMContentLoaded', () => mount(o, 1));
    const widget = {options: o, site, channel, node, lang: (o.lang || d.documentElement.lang || navigator.language).toLowerCase().replace(/_/g, '-')};
    mounted = mounted.filter(m => {
      if (m.node !== node && m.node.isConnected) return true;
      m.gone = true;
      if (m.close) m.close();
    });
    if (node) mounted.push(widget);
    let locale;
    if (kind === 'Comment') {
      // The place is held: as high as the page wants it, else down to the lower edge of the window; nothing below will jump.
      widget.held = node.style.minHeight = (parseFloat(getComputedStyle(node).minHeight) ||
        Math.max(400, innerHeight - Math.max(0, node.getBoundingClientRect().top))) + 'px';
      const me = C.load(site) || {};
      (widget.first = C.get('/bootstrap?' + new URLSearchParams({widget: kind, site, channel,
        sort: widget.sort = me.sort || (/^(new|old)$/.test(o.sort) ? o.sort : 'best'), size: widget.size = Math.min(o.size || 25, 100),
        ...o.token && {token: o.token}, ...me.view && {me: me.visitor + '.' + me.view}}))).catch(() => {});
      locale = config.lazy['locale-' + widget.lang.slice(0, 2) + '.js'];
    }
    const load = () => widget.gone || Promise.all([bundle.css, bundle.js, locale].map(C.files)).then(() => {
      if (!widget.gone) widget.close = C.widgets[kind](widget);
    }, () => setTimeout(load, 1e4));
    load();
  };

  // Cackle.bootstrap(true) mounts the whole array anew: pages that change without a reload call it.
  C.bootstrap = all => {
    const queue = w.cackle_widget = w.cackle_widget || [];
    if (queue.push === [].push) {
      queue.push = (...more) => {
        queue.splice(queue.length, 0, ...more);
        C.bootstrap();
      };
    }
    queue.map(o => {
      try {
        if (all || !seen.has(o)) mount(o);
      } catch (e) { console.error(e); }
      seen.add(o);
    });
  };
  C.bootstrap();
  if (w.mcSite) w.cackle_widget.push({widget: 'Comment', id: w.mcSite, channel: w.mcChannel});
})(window, document);
