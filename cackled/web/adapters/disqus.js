/* Disqus' embed call, answered by our widget: /disqus/SITE/embed.js in place of SHORTNAME.disqus.com/embed.js. Reads
   disqus_config (or the older disqus_identifier, disqus_url, disqus_title), mounts in #disqus_thread, and gives DISQUS.reset.
   The page's address names the conversation, as it does for what was imported; with data-by="name" the identifier does. */
(() => {
  const page = /** @type {any} */ (window);
  const script = /** @type {HTMLScriptElement} */ (
    document.currentScript || document.querySelector('script[src*="/disqus/"][src*="embed.js"]')
  );
  const [, base, site] = /^(.*)\/disqus\/(\d+)\//.exec(script.src) || [];
  const byName = script.dataset.by === 'name';

  // What a page gives may be of any kind, and may throw when it is looked at: then it is as if it were not there.
  /** @param {any} of @param {string} name @returns {any} */
  const get = (of, name) => {
    try {
      return of[name];
    } catch {
      return undefined;
    }
  };
  /** A text, a number or an address as text; else nothing. @param {any} value */
  const text = value => {
    try {
      const made = value === null || /symbol|boolean|undefined|function/.test(typeof value) ? '' : String(value);
      return /^\[object/.test(made) ? '' : made.trim();
    } catch {
      return '';
    }
  };
  /** The functions of it: one, or a list. @param {any} value @returns {Function[]} */
  const calls = value => {
    try {
      return [].concat(value).filter(f => typeof f === 'function');
    } catch {
      return [];
    }
  };
  /** The page's list of widgets. @returns {any[]} */
  const listed = () => {
    const there = page.cackle_widget || [];
    return (page.cackle_widget = Array.isArray(there) ? there : [there]);
  };

  /** What the page says of itself. @param {any} [config] @returns {Record<string, any>} */
  function options(config) {
    const old = {identifier: page.disqus_identifier, url: page.disqus_url, title: page.disqus_title};
    const told = {page: old, language: '', callbacks: /** @type {Record<string, any[]>} */ ({})};
    [
      'onReady',
      'onNewComment',
      'onIdentify',
      'onPaginate',
      'preInit',
      'preReset',
      'afterRender',
      'beforeComment',
    ].forEach(name => (told.callbacks[name] = []));
    // It is called with what it is to fill in as `this`.
    const fill = typeof config === 'function' ? config : page.disqus_config;
    if (typeof fill === 'function') {
      try {
        fill.call(told);
      } catch (error) {
        console.error('disqus_config', error);
      }
    }
    const about = get(told, 'page');
    const [identifier, url, title, remote] = ['identifier', 'url', 'title', 'remote_auth_s3'].map(name =>
      text(get(about, name)),
    );
    const lang = text(get(told, 'language'));
    const called = get(told, 'callbacks');
    return {
      widget: 'Comment',
      id: site,
      container: 'disqus_thread',
      ...(byName && identifier && {channel: identifier}),
      ...(url && {url}),
      ...(title && {title}),
      ...(lang && {lang}),
      ...(remote && {remote_auth_s3: remote}),
      callback: {
        ready: calls(get(called, 'onReady')),
        create: calls(get(called, 'onNewComment')).map(f => (/** @type {any} */ c) => f({id: c.id, text: c.html})),
        loggedin: calls(get(called, 'onIdentify')),
      },
    };
  }

  /** @param {any} one */
  function mount(one) {
    const queue = listed();
    // Of the thread's place there is one: bootstrap(true) is to show the last alone.
    for (let n = queue.length; n--;) if (get(queue[n], 'container') === 'disqus_thread') queue.splice(n, 1);
    queue.push(one);
  }

  if (!/object|function/.test(typeof page.DISQUS) || !page.DISQUS) page.DISQUS = {};
  /** @param {{reload?: boolean, config?: any}} [how] */
  page.DISQUS.reset = how => {
    const config = get(how, 'config');
    if (typeof config === 'function') page.disqus_config = config;
    mount(options(config));
  };
  mount(options());
  if (!(page.Cackle && page.Cackle.bootstrap)) {
    const loader = document.createElement('script');
    loader.src = `${base}/widget.js`;
    loader.async = true;
    loader.nonce = script.nonce;
    document.head.append(loader);
  }
})();
