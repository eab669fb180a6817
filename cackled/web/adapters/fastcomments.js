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
  const SORTS = new Map([
    ['MR', 'best'],
    ['NF', 'new'],
    ['OF', 'old'],
  ]);
  let made = 0;

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

  /** @param {any} config @param {string} container */
  function options(config, container) {
    const [url, urlId, title, lang, order, depth] = [
      'url',
      'urlId',
      'pageTitle',
      'locale',
      'defaultSortDirection',
      'maxReplyDepth',
    ].map(name => text(get(config, name)));
    const sso = copy(get(config, 'sso'));
    const channel = byName || !url ? urlId : '';
    const sort = SORTS.get(order);
    const call = (/** @type {string} */ name) => calls(get(config, name));
    return {
      widget: 'Comment',
      id: site,
      container,
      ...(channel && {channel}),
      ...(url && {url}),
      ...(title && {title}),
      ...(lang && {lang}),
      ...(sort && {sort}),
      ...(get(config, 'hasDarkBackground') && {theme: 'dark'}),
      ...(/^\d{1,2}$/.test(depth) && {level: Number(depth)}),
      ...(sso && text(sso.userDataJSONBase64) && {sso}),
      callback: {
        ready: call('onRender'),
        create: call('onReplySuccess'),
        vote: call('onVoteSuccess'),
        loggedin: call('onAuthenticationChange'),
      },
    };
  }

  /** @param {any} one */
  const copy = one => {
    try {
      return typeof one === 'object' && one && {...one};
    } catch {
      return null;
    }
  };

  /** The element that a page means. @param {any} where an element or a selector @returns {any} */
  const found = where => {
    try {
      return where instanceof Element ? where : document.querySelector(text(where));
    } catch {
      return null; // no selector
    }
  };

  /** @param {any} where an element or a selector @param {any} config */
  function mount(where, config) {
    const node = found(where);
    if (!node) return console.warn('cackle: FastComments: there is no such element in this page:', text(where));
    if (!node.id) node.id = `fastcomments-${++made}`;
    const queue = listed();
    for (let n = queue.length; n--;) if (get(queue[n], 'container') === node.id) queue.splice(n, 1);
    queue.push(options(config, node.id));
  }
  /** One of fcConfigs. @param {any} one */
  const place = one => mount(get(one, 'target') || '#fastcomments-widget', one);

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
        const node = found(element);
        if (node && node.cackle && node.cackle.widget) node.cackle.widget.close();
      },
    };
  };

  const start = () => {
    // A copy: theirs may be frozen, or no list at all.
    const there = page.fcConfigs;
    const given = (page.fcConfigs = Array.isArray(there) ? [...there] : [there].filter(Boolean));
    given.forEach(place);
    given.push = (/** @type {any[]} */ ...more) => {
      more.forEach(place);
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
