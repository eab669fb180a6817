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

  /** What the page says of itself. @param {any} [config] @returns {Record<string, any>} */
  function options(config) {
    const old = {identifier: page.disqus_identifier, url: page.disqus_url, title: page.disqus_title};
    const told = {page: {...old}, language: '', callbacks: /** @type {Record<string, any[]>} */ ({})};
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
    const fill = config || page.disqus_config;
    if (typeof fill === 'function') {
      try {
        fill.call(told);
      } catch (error) {
        console.error('disqus_config', error);
      }
    }
    const {identifier, url, title, remote_auth_s3} = told.page || {};
    const {onReady = [], onNewComment = [], onIdentify = []} = told.callbacks || {};
    return {
      widget: 'Comment',
      id: site,
      container: 'disqus_thread',
      ...(byName && identifier && {channel: String(identifier)}),
      ...(url && {url: String(url)}),
      ...(title && {title: String(title)}),
      ...(told.language && {lang: told.language}),
      ...(remote_auth_s3 && {remote_auth_s3}),
      callback: {
        ready: onReady,
        create: onNewComment.map((/** @type {any} */ f) => (/** @type {any} */ c) => f({id: c.id, text: c.html})),
        loggedin: onIdentify,
      },
    };
  }

  /** @param {any} one */
  function mount(one) {
    const queue = (page.cackle_widget = page.cackle_widget || []);
    // Of the thread's place there is one: bootstrap(true) is to show the last alone.
    for (let n = queue.length; n--;) if (queue[n].container === 'disqus_thread') queue.splice(n, 1);
    queue.push(one);
  }

  page.DISQUS = page.DISQUS || {};
  /** @param {{reload?: boolean, config?: any}} [how] */
  page.DISQUS.reset = how => {
    if (how && how.config) page.disqus_config = how.config;
    mount(options(how && how.config));
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
