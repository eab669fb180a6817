/* FastComments' embed call, answered by our widget: /fastcomments/SITE/embed-v2-async.min.js (or embed-v2.min.js) in place
   of cdn.fastcomments.com/js/... Reads window.fcConfigs and gives FastCommentsUI(element, config). The page's address names
   the conversation; with data-by="name", or without url, urlId does. */
(() => {
  const page = /** @type {any} */ (window);
  const script = /** @type {HTMLScriptElement} */ (
    document.currentScript || document.querySelector('script[src*="/fastcomments/"]')
  );
  const [, base, site] = /^(.*)\/fastcomments\/(\d+)\//.exec(script.src) || [];
  const byName = script.dataset.by === 'name';
  const SORTS = /** @type {Record<string, string>} */ ({MR: 'best', NF: 'new', OF: 'old'});
  let made = 0;

  /** @param {any} config @param {string} container */
  function options(config, container) {
    const {url, urlId, pageTitle, locale, defaultSortDirection, hasDarkBackground, sso, maxReplyDepth, translations} =
      config;
    const name = urlId && (byName || !url) ? String(urlId) : '';
    const call = (/** @type {any} */ f) => (typeof f === 'function' ? [f] : []);
    return {
      widget: 'Comment',
      id: site,
      container,
      ...(name && {channel: name}),
      ...(url && {url: String(url)}),
      ...(pageTitle && {title: String(pageTitle)}),
      ...(locale && {lang: String(locale)}),
      ...(SORTS[defaultSortDirection] && {sort: SORTS[defaultSortDirection]}),
      ...(hasDarkBackground && {theme: 'dark'}),
      ...(maxReplyDepth >= 0 && {level: maxReplyDepth}),
      ...(sso && sso.userDataJSONBase64 && {sso}),
      ...(translations && {msg: {}}),
      callback: {
        ready: call(config.onRender),
        create: call(config.onReplySuccess),
        vote: call(config.onVoteSuccess),
        loggedin: call(config.onAuthenticationChange),
      },
    };
  }

  /** @param {any} where an element or a selector @param {any} config */
  function mount(where, config) {
    const node = typeof where === 'string' ? document.querySelector(where) : where;
    if (!node) return console.warn(`cackle: there is no ${where} in this page`);
    if (!node.id) node.id = `fastcomments-${++made}`;
    const queue = (page.cackle_widget = page.cackle_widget || []);
    for (let n = queue.length; n--;) if (queue[n].container === node.id) queue.splice(n, 1);
    queue.push(options(config || {}, node.id));
  }

  /**
   * @param {Element | string} element
   * @param {any} config
   * @returns {{update: (config: any) => void, destroy: () => void}}
   */
  page.FastCommentsUI = (element, config) => {
    mount(element, config);
    return {
      update: other => mount(element, other),
      destroy: () => {
        const node = /** @type {any} */ (typeof element === 'string' ? document.querySelector(element) : element);
        if (node && node.cackle && node.cackle.widget) node.cackle.widget.close();
      },
    };
  };

  const start = () => {
    const given = page.fcConfigs || [];
    for (const one of given) mount(one.target || '#fastcomments-widget', one);
    given.push = (/** @type {any[]} */ ...more) => {
      for (const one of more) mount(one.target || '#fastcomments-widget', one);
      return given.length;
    };
    if (page.Cackle && page.Cackle.bootstrap) return;
    const loader = document.createElement('script');
    loader.src = `${base}/widget.js`;
    loader.async = true;
    loader.nonce = script.nonce;
    document.head.append(loader);
  };
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
