/* The loader, /widget.js: reads window.cackle_widget, picks a server, fetches a widget's files and its first data in
   parallel, mounts it. The server puts the deployment's configuration in place of the token below. It has to stay below
   2,048 bytes packed, hence the short names: t text, c configuration, k kind, n node, q queue, r response, o options, f files, m what is mounted. */
((w, d) => {
  const C = (w.Cackle = w.Cackle || {});
  if (C.bootstrap) return C.bootstrap();
  const c = (C.config = __CACKLE_CONFIG__),
    f = {},
    seen = new Set(),
    script = d.currentScript || {};
  // Pages replace Promise; what an async function returns is the browser's own.
  const Promise = (C.Promise = (async () => {})().constructor);
  // Its own folder, which may be below a path. A module has no currentScript: an error's stack begins with the script that made it.
  C.origin = /http[^\s)?#]+(?=\/)|$/.exec(script.src || Error().stack)[0];
  C.widgets = {};

  // Whatever an option is: a string, a number or nothing, and of whole characters (half a surrogate pair is none).
  const t = (C.text = v => (/[rg]/.test(typeof v) ? (v + '').trim().replace(/\p{Cs}/gu, '\ufffd') : ''));

  // Storage may be forbidden: then nothing is remembered.
  C.load = key => {
    try {
      return JSON.parse(localStorage.getItem('cackle:' + key));
    } catch (e) {
      /* nothing */
    }
  };

  // Addresses in random order by weight; first the one that was used last (lib/dom.js keeps it), so that the browser's cache is of use.
  const kept = C.load('server') || {},
    hosts = c.servers
      .map(s => {
        const url = s.url.replace(/\/+$/, '') || C.origin;
        return [url === kept.url ? 2 : Math.random() ** (1 / s.weight), url];
      })
      .sort((a, b) => b[0] - a[0])
      .map(s => s[1]);
  C.base = () => hosts[0];
  C.move = url => hosts.unshift(url);
  C.fail = base => base === hosts[0] && hosts.push(hosts.shift());

  // Asks the current server, on failure once each other one.
  const each = async ask => {
    for (let n = hosts.length, base; n--; C.fail(base)) {
      try {
        return await ask((base = hosts[0]), n);
      } catch (e) {
        if (!n) throw e;
      }
    }
  };
  // GET. 421: the site lives elsewhere, and so do we.
  C.get = (path, options) =>
    each(async (base, n) => {
      const ask = () => fetch(hosts[0] + path, {credentials: 'omit', ...options});
      let r = await ask();
      if (r.status === 421) {
        hosts.fill((await r.json()).url);
        r = await ask();
      }
      if (r.status > 499 && n) throw r;
      return r;
    });

  // script.src is a Trusted Types sink. Nothing but the next function can reach this policy.
  let p = {createScriptURL: url => url};
  try {
    p = w.trustedTypes.createPolicy('cackle', p);
  } catch (e) {
    /* none here, or the page allows no policy of ours */
  }

  // First in the head: rules of the page that are as specific as ours win.
  const insert = path =>
    each(
      base =>
        new Promise((onload, onerror) => {
          const url = p.createScriptURL(base + path);
          const css = /css$/.test(path);
          // c.script: in devel these are modules.
          d.head.prepend(
            Object.assign(
              d.createElement(css ? 'link' : 'script'),
              {nonce: script.nonce, rel: 'stylesheet', async: false, onload, onerror, href: url, src: url},
              css || c.script,
            ),
          );
        }),
    ).catch(e => {
      throw (f[path] = 0);
    });
  C.files = paths => Promise.all(paths.map(path => (f[path] = f[path] || insert(path))));
  // Gives what the bundle exports.
  C.lazy = name => C.files(c.lazy[name]).then(() => C[name]);
  // What the page's owner has to know.
  C.warn = (...what) => C.lazy('rare.js').then(() => C.tell(...what));

  // What names a conversation: a channel, or the page's address, of which the server makes one. It is sent without what advertising adds
  // most, so that answers are shared. Nothing: that takes lib/key.js, as there are options, or the address is long; it puts another function here.
  C.channel = o => {
    let channel = t(o.channel),
      url = d.baseURI;
    if (channel) return {channel};
    try {
      url = new URL(t(o.url), location).href;
    } catch (e) {
      /* the maker's */
    }
    url = url.replace(/([?&])(utm_|\w+clid=)[^&#]*|#.*/g, '$1');
    return url[2e3] || /ch?an/.test(Object.keys(o)) ? 0 : {url};
  };

  const mount = o => {
    const k = t(o.widget),
      {js, css} = c.bundles[k] || {},
      id = t(o.container) || 'mc-container',
      site = t(o.id),
      page = C.channel(o);
    const n = k === 'Comment' && d.getElementById(id);
    if (!js) return C.warn('widget', k);
    // Not there: waited for until the page is "complete" (and neither "interactive" nor "loading").
    if (n === null) return d.readyState < 'd' ? C.warn('container', id) : setTimeout(() => mount(o), 20);
    if (!page) return C.lazy('rare.js').then(() => mount(o));
    const lang = [o.lang, d.documentElement.lang, navigator.language, 'en']
      .map(t)
      .find(s => s)
      .toLowerCase()
      .replace(/_/g, '-');
    const l = lang.slice(0, 2),
      words = (c.locales.includes(l) && c.words[k]) || [];
    const m = {options: o, site, page, node: n, lang},
      wait = css.concat(
        js,
        words.map(p => p.replace('*', l)),
      );
    if (n) {
      n.cackle = m;
      // The place is held: nothing below will jump.
      n.style.minHeight = innerHeight + 'px';
      const me = C.load(site) || {},
        token = t(o.token),
        size = t(o.size) | 0;
      (m.first = C.get(
        '/bootstrap?' +
          new URLSearchParams({
            widget: k,
            site,
            ...page,
            sort: (m.sort = [me.sort, o.sort, 'best'].map(t).find(s => /^(best|new|old)$/.test(s))),
            size: (m.size = size > 0 ? Math.min(size, 100) : 25),
            ...(token && {token}),
            ...(me.view && {me: me.visitor + '.' + me.view}),
          }),
      )).catch(() => {});
    }
    // Unless another widget has taken its place meanwhile.
    const load = () =>
      C.files(wait).then(
        () => (n && n.cackle !== m) || C.widgets[k](m),
        () => setTimeout(load, 1e4),
      );
    load();
  };

  // Cackle.bootstrap(true) mounts the whole array anew: pages that change without a reload call it.
  C.bootstrap = all => {
    let q = w.cackle_widget || [];
    if (!q.map) q = [q];
    w.cackle_widget = q;
    q.push = (...more) => {
      q.splice(q.length, 0, ...more);
      C.bootstrap();
    };
    q.map(o => (all || !seen.has(o)) && seen.add(o) && mount(o || {}));
  };
  C.bootstrap();
  if (w.mcSite) w.cackle_widget.push({widget: 'Comment', id: w.mcSite, channel: w.mcChannel});
})(window, document);
