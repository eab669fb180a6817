/* CommentCount: numbers for links to comments and for .cackle-comment-count, by channel or address. The comments widget
   on the same page tells what it knows (Cackle.counters), so that both show one number. */
import {loader} from '../../../web/lib/loader.js';

loader.widgets.CommentCount = widget => {
  const {options: o, site} = widget;
  const {text} = loader;
  /** @type {Map<string, HTMLElement[]>} by channel or address */
  const links = new Map();
  /** @type {Intl.PluralRules} */
  let plural;
  /** @type {Intl.NumberFormat} */
  let numbers;
  let late = false;
  // Never worse than English, whatever the page calls its language.
  [widget.lang, widget.lang.slice(0, 2), 'en'].find(lang => {
    try {
      plural = new Intl.PluralRules(lang);
      return (numbers = new Intl.NumberFormat(lang));
    } catch (e) {
      /* the next one */
    }
  });
  document.querySelectorAll('a[href*="#mc-container"], .cackle-comment-count').forEach(found => {
    const node = /** @type {HTMLAnchorElement} */ (found);
    const data = node.dataset;
    /** @type {Record<string, any>} */
    const it = {url: data.cackleUrl || node.href};
    for (const name in o) if (/^chan[HPW]/.test(name)) it[name] = o[name];
    it.channel = node.getAttribute('cackle-channel') || data.cackleChannel || (!it.url && o.channel) || '';
    const page = loader.channel(it);
    const key = page.channel || page.url;
    late = late || !page;
    links.set(key, (links.get(key) || []).concat(node));
  });
  if (late) return loader.lazy('rare.js').then(() => loader.widgets.CommentCount(widget));
  /**
   * @param {string} key
   * @param {number} count
   */
  function show(key, count) {
    const n = numbers.format(count),
      words = (!count && text(o.no)) || (plural.select(count) === 'one' && text(o.one)) || text(o.mult) || '{num}',
      html = text(o.html);
    (links.get(key) || []).forEach(node => {
      let all = html.replace('{comments}', words).replace(/\{(rating|stars)\}/g, '0') || words;
      all = all.replace(/\{num\}/g, n);
      if (o.html)
        import('./markup.js').then(m => {
          node.replaceChildren(m.markup(all));
        });
      else node.textContent = all;
    });
  }
  (loader.counters = loader.counters || {})[site] = show;
  const keys = [...links.keys()];
  // 50 in one request, or as many as a request's head has room for.
  while (keys.length) {
    const query = new URLSearchParams({...(text(o.token) && {token: text(o.token)}), ...(o.chanHost && {host: '1'})});
    for (let n = 0; n < 50 && keys.length && (query + '').length < 4000; n++)
      query.append(/:\/\//.test(keys[0]) ? 'url' : 'channel', /** @type {string} */ (keys.shift()));
    loader
      .get('/api/v1/sites/' + encodeURIComponent(site || 0) + '/counts?' + query)
      .then(answer => answer.json())
      .then(data => {
        Object.keys(data.counts).forEach(key => {
          show(key, data.counts[key]);
        });
        // From now on by the channels that the server made of addresses.
        for (const url in data.keys)
          links.set(data.keys[url], [...(links.get(data.keys[url]) || []), ...(links.get(url) || [])]);
      })
      .catch(() => {
        // The links keep their own words.
        loader.lazy('rare.js').then(() => {
          loader.ask(site);
        });
      });
  }
};
