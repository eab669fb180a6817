/* Disqus' counters: /disqus/SITE/count.js in place of SHORTNAME.disqus.com/count.js. Links to #disqus_thread and elements
   with the class disqus-comment-count get the number; with data-disqus-identifier that conversation's, where the script has
   data-by="name", else that of data-disqus-url or of the link's address. */
(() => {
  const page = /** @type {any} */ (window);
  const script = /** @type {HTMLScriptElement} */ (
    document.currentScript || document.querySelector('script[src*="/disqus/"][src*="count.js"]')
  );
  const [, base, site] = /^(.*)\/disqus\/(\d+)\//.exec(script.src) || [];
  const byName = script.dataset.by === 'name';

  /** What the page gave may be of any kind. @param {() => any} f */
  const given = f => {
    try {
      return f();
    } catch {
      return undefined;
    }
  };
  /** A member of what was answered, and none that every object has. @param {any} from @param {any} name */
  const own = (from, name) => (Object.prototype.hasOwnProperty.call(from || {}, name) ? from[name] : undefined);
  /** The page's form for *count*. @param {number} count @returns {string} */
  function form(count) {
    const said = given(() => page.DISQUSWIDGETS.text[count === 0 ? 'zero' : count === 1 ? 'one' : 'multiple']);
    return typeof said === 'string' && said ? said : '{num}';
  }

  async function show() {
    /** @type {Map<string, Element[]>} */
    const asked = new Map();
    document.querySelectorAll('a[href*="#disqus_thread"], .disqus-comment-count').forEach(node => {
      const {disqusIdentifier, disqusUrl} = /** @type {HTMLElement} */ (node).dataset;
      const {href} = /** @type {any} */ (node);
      // In SVG it is no text.
      const url = disqusUrl || (typeof href === 'string' && href) || location.href;
      const key = byName && disqusIdentifier ? `channel ${disqusIdentifier}` : `url ${url.split('#')[0]}`;
      asked.set(key, [...(asked.get(key) || []), node]);
    });
    const keys = [...asked.keys()];
    while (keys.length) {
      const some = keys.splice(0, 30);
      const query = new URLSearchParams();
      for (const key of some) {
        const [kind, ...rest] = key.split(' ');
        query.append(kind, rest.join(' '));
      }
      const answer = await fetch(`${base}/api/v1/sites/${site}/counts?${query}`, {credentials: 'omit'});
      if (!answer.ok) return;
      const {counts, keys: made = {}} = await answer.json();
      for (const key of some) {
        const name = key.slice(key.indexOf(' ') + 1);
        const count = own(counts, name) ?? own(counts, own(made, name)) ?? 0;
        for (const node of asked.get(key) || []) node.textContent = form(count).replace('{num}', String(count));
      }
    }
  }
  const start = () => {
    show().catch(() => {
      // Without an answer links stay as they are.
    });
  };
  if (!page.DISQUSWIDGETS || typeof page.DISQUSWIDGETS !== 'object') page.DISQUSWIDGETS = {};
  given(() => {
    page.DISQUSWIDGETS.getCount = start;
  });
  if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', start);
  else start();
})();
