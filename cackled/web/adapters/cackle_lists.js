/* Cackle's first loaders of lists and counters, mc.last-min.js and mc.count-min.js, for pages that say `mcSite` and no
   more. The widget is queued as pages of today queue it; /widget.js does the rest. */
(() => {
  const page = /** @type {any} */ (window);
  const script = /** @type {HTMLScriptElement} */ (
    document.currentScript || document.querySelector('script[src*="/mc.last-min.js"], script[src*="/mc.count-min.js"]')
  );
  const address = new URL(script.src);
  const widget = /mc\.last-/.test(address.pathname) ? 'CommentRecent' : 'CommentCount';
  const there = page.cackle_widget || [];
  page.cackle_widget = Array.isArray(there) ? there : [there];
  if (page.mcSite) page.cackle_widget.push({widget, id: page.mcSite});
  if (page.Cackle && page.Cackle.bootstrap) return;
  const loader = document.createElement('script');
  loader.src = new URL(`widget.js${address.search}`, address).href;
  loader.async = true;
  loader.nonce = script.nonce;
  document.head.append(loader);
})();
