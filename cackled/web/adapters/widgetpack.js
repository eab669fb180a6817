/* WidgetPack's embed call, answered by our widgets: /widgetpack/widget.js in place of embed.widgetpack.com/widget.js. Reads
   window.wpac_init; `chan` names the conversation, else the page's path does, without its query. */
(() => {
  const page = /** @type {any} */ (window);
  if (page.WIDGETPACK_LOADED) return;
  page.WIDGETPACK_LOADED = true;
  const script = /** @type {HTMLScriptElement} */ (
    document.currentScript || document.querySelector('script[src*="/widgetpack/widget.js"]')
  );
  const base = script.src.replace(/\/widgetpack\/widget\.js.*$/, '');
  const PLACES = new Map([
    ['Comment', 'wpac-comment'],
    ['CommentRecent', 'wpac-comment-recent'],
    ['Review', 'wpac-review'],
    ['ReviewRecent', 'wpac-review-recent'],
    ['Rating', 'wpac-rating'],
    ['Login', 'wpac-login'],
  ]);
  const NAMES = new Map([['Rating', 'ReviewRating']]);

  /** @param {any} one */
  function mount(one) {
    if (!one || typeof one !== 'object') return;
    let given;
    try {
      given = {...one};
    } catch (error) {
      return console.warn('cackle: wpac_init', error);
    }
    const {widget, chan, ...rest} = given;
    const there = page.cackle_widget || [];
    page.cackle_widget = Array.isArray(there) ? there : [there];
    page.cackle_widget.push({
      container: PLACES.get(widget),
      ...rest,
      widget: NAMES.get(widget) || widget,
      ...(chan ? {channel: chan} : {chanWithoutParams: true}),
    });
  }
  // Their counters have another attribute.
  document.querySelectorAll('[data-wpac-chan]').forEach(node => {
    node.classList.add('cackle-comment-count');
    node.setAttribute('data-cackle-channel', node.getAttribute('data-wpac-chan') || '');
  });
  // A copy: theirs may be frozen.
  const given = page.wpac_init || [];
  const queue = (page.wpac_init = Array.isArray(given) ? [...given] : [given]);
  queue.forEach(mount);
  queue.push = (/** @type {any[]} */ ...more) => {
    more.forEach(mount);
    return queue.length;
  };
  if (page.Cackle && page.Cackle.bootstrap) return;
  const loader = document.createElement('script');
  loader.src = `${base}/widget.js`;
  loader.async = true;
  loader.nonce = script.nonce;
  document.head.append(loader);
})();
