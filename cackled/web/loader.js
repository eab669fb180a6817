/* The loader, /widget.js: reads window.cackle_widget, picks a server, fetches a widget's files and its first data in
   parallel, mounts it. It knows no product: what widgets there are, the deployment's configuration says, which the
   server puts in place of the token below. It has to stay below 2,048 bytes packed. */

/**
 * @typedef {object} WidgetFiles
 * @property {string[]} js
 * @property {string[]} [css]
 * @property {string[]} [words] of a widget that has a place in the page, and a first request: files of its words
 * @property {Record<string, string[] | number | string>} [ask] options that its first request takes: one of several
 *     words, the first if nothing else is said; a number up to 100; or any text
 * @property {string} [place] the id of its element, where the page names none
 * @property {string[]} [old] the page's global variables that gave site and channel before there were options
 */
((window, document) => {
  const C = (window.Cackle = window.Cackle || {});
  if (C.bootstrap) return C.bootstrap();
  const config = (C.config = __CACKLE_CONFIG__);
  /** @type {Record<string, WidgetFiles>} */
  const known = config.bundles;
  /** @type {Record<string, any>} */
  const files = {};
  const seen = new Set();
  const script = document.currentScript || {};
  // Pages replace Promise; what an async function returns is the browser's own.
  const Promise = (C.Promise = /** @type {PromiseConstructor} */ ((async () => {})().constructor));
  // Its own folder, which may be below a path. A module has no currentScript: an error's stack begins with the script that made it.
  C.origin = /** @type {RegExpExecArray} */ (/http[^\s)?#]+(?=\/)|$/.exec(script.src || Error().stack))[0];
  C.widgets = {};

  // Whatever an option is: a string, a number or nothing, and of whole characters (half a surrogate pair is none).
  const text = (C.text = (/** @type {any} */ value) =>
    /[rg]/.test(typeof value) ? (value + '').trim().replace(/\p{Cs}/gu, '\ufffd') : '');

  // Storage may be forbidden: then nothing is remembered.
  C.load = (/** @type {string} */ key) => {
    try {
      return JSON.parse(/** @type {string} */ (localStorage.getItem('cackle:' + key)));
    } catch {
      // Nothing.
    }
  };

  // Addresses in random order by weight; first the one that was used last (lib/storage.js keeps it), so that the
  // browser's cache is of use.
  const kept = C.load('server') || {};
  /** @type {string[]} */
  const hosts = config.servers
    .map((/** @type {{url: string, weight: number}} */ server) => {
      const url = server.url.replace(/\/+$/, '') || C.origin;
      return [url === kept.url ? 2 : Math.random() ** (1 / server.weight), url];
    })
    .sort((/** @type {number[]} */ a, /** @type {number[]} */ b) => b[0] - a[0])
    .map((/** @type {[number, string]} */ one) => one[1]);
  C.base = () => hosts[0];
  C.move = (/** @type {string} */ url) => hosts.unshift(url);
  C.fail = (/** @type {string} */ base) => base === hosts[0] && hosts.push(/** @type {string} */ (hosts.shift()));

  /**
   * Asks the current server, on failure once each other one.
   * @param {(base: string, left: number) => any} ask
   * @returns {Promise<any>}
   */
  const each = async ask => {
    for (let left = hosts.length, base; left--; C.fail(base)) {
      try {
        return await ask((base = hosts[0]), left);
      } catch (error) {
        if (!left) throw error;
      }
    }
  };
  // GET. 421: the site lives elsewhere, and so do we.
  C.get = (/** @type {string} */ path, /** @type {RequestInit} */ options) =>
    each(async (base, left) => {
      const ask = () => fetch(hosts[0] + path, {credentials: 'omit', ...options});
      let answer = await ask();
      if (answer.status === 421) {
        hosts.fill((await answer.json()).url);
        answer = await ask();
      }
      if (answer.status > 499 && left) throw answer;
      return answer;
    });

  // script.src is a Trusted Types sink. Nothing but the next function can reach this policy.
  let policy = {createScriptURL: (/** @type {string} */ url) => url};
  try {
    policy = window.trustedTypes.createPolicy('cackle', policy);
  } catch {
    // None here, or the page allows no policy of ours.
  }

  /**
   * First in the head: rules of the page that are as specific as ours win.
   * @param {string} path
   */
  const insert = path =>
    each(
      base =>
        new Promise((onload, onerror) => {
          const url = policy.createScriptURL(base + config.path + path);
          const css = /css$/.test(path);
          document.head.prepend(
            Object.assign(
              document.createElement(css ? 'link' : 'script'),
              {nonce: script.nonce, rel: 'stylesheet', async: false, onload, onerror, href: url, src: url},
              // In devel scripts are modules.
              css || config.script,
            ),
          );
        }),
    ).catch(() => {
      throw (files[path] = 0);
    });
  C.files = (/** @type {string[]} */ paths) =>
    Promise.all(paths.map(path => (files[path] = files[path] || insert(path))));
  // The files of a bundle that no widget starts with: a list in devel only.
  C.paths = (/** @type {string} */ name) => (config.lazy || 0)[name] || [name];
  // Gives what the bundle exports.
  C.lazy = (/** @type {string} */ name) => C.files(C.paths(name)).then(() => C[name]);
  // What the page's owner has to know.
  C.warn = (/** @type {any[]} */ ...what) => C.lazy('rare.js').then(() => C.tell(...what));

  // What names a conversation: a channel, or the page's address, of which the server makes one. It is sent without what
  // advertising adds most, so that answers are shared. Nothing: that takes lib/key.js, as there are options, or the
  // address is long; it puts another function here.
  C.channel = (/** @type {any} */ options) => {
    const channel = text(options.channel);
    let url = document.baseURI;
    if (channel) return {channel};
    try {
      url = new URL(text(options.url), location.href).href;
    } catch {
      // The maker's.
    }
    url = url.replace(/([?&])(utm_|\w+clid=)[^&#]*|#.*/g, '$1');
    return url[2e3] || /ch?an/.test(Object.keys(options) + '') ? 0 : {url};
  };

  /** @param {any} options */
  const mount = options => {
    const name = text(options.widget);
    const {js, css = [], words, ask, place} = known[name] || {};
    const id = text(options.container) || place || 'mc-container';
    const site = text(options.id);
    const page = C.channel(options);
    const node = words && document.getElementById(id);
    if (!js) return C.warn('widget', name);
    // Not there: waited for until the page is "complete" (and neither "interactive" nor "loading").
    if (node === null)
      return document.readyState < 'd' ? C.warn('container', id) : setTimeout(() => mount(options), 20);
    if (!page) return C.lazy('rare.js').then(() => mount(options));
    const lang = /** @type {string} */ (
      [options.lang, document.documentElement.lang, navigator.language, 'en'].map(text).find(one => one)
    )
      .toLowerCase()
      .replace(/_/g, '-');
    const short = lang.slice(0, 2);
    const wait = css.concat(js);
    /** @type {any} */
    const mounted = {options, site, page, node, lang, ask: {}};
    if (node) {
      node.cackle = mounted;
      // The place is held: nothing below will jump.
      node.style.minHeight = innerHeight + 'px';
      if (config.locales.includes(short)) words.map(path => wait.push(path.replace('*', short)));
      const me = C.load(site) || {};
      const token = text(options.token);
      Object.keys(ask || {}).map(key => {
        const value = /** @type {any} */ (ask)[key];
        const given = /** @type {any} */ (text(options[key]));
        mounted.ask[key] = value.map
          ? [me[key], given].find(one => value.includes(one)) || value[0]
          : value > 0
            ? given >= 1
              ? Math.min(given, 100) | 0
              : value
            : given;
      });
      (mounted.first = C.get(
        '/bootstrap?' +
          new URLSearchParams({
            widget: name,
            site,
            ...page,
            ...mounted.ask,
            ...(token && {token}),
            ...(me.view && {me: me.visitor + '.' + me.view}),
          }),
      )).catch(() => {});
    }
    // Unless another widget has taken its place meanwhile.
    const load = () =>
      C.files(wait).then(
        () => (node && node.cackle !== mounted) || C.widgets[name](mounted),
        () => setTimeout(load, 1e4),
      );
    load();
  };

  // Cackle.bootstrap(true) mounts the whole array anew: pages that change without a reload call it.
  C.bootstrap = (/** @type {any} */ all) => {
    let queue = window.cackle_widget || [];
    if (!queue.map) queue = [queue];
    window.cackle_widget = queue;
    queue.push = (/** @type {any[]} */ ...more) => {
      queue.splice(queue.length, 0, ...more);
      C.bootstrap();
    };
    queue.map((/** @type {any} */ options) => (all || !seen.has(options)) && seen.add(options) && mount(options || {}));
  };
  C.bootstrap();
  // Pages of that time call it when they show another conversation.
  (C.reinit = () =>
    Object.keys(known).map(widget => {
      const [id, channel] = known[widget].old || [];
      if (window[id]) window.cackle_widget.push({widget, id: window[id], channel: window[channel]});
    }))();
})(/** @type {any} */ (window), /** @type {any} */ (document));
