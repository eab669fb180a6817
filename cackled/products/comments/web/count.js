/* CommentCount: numbers for links to comments and for .cackle-comment-count, by channel or address. The comments widget
   on the same page tells what it knows (Cackle.counters), so that both show one number. */
// @ts-nocheck
import {loader} from '../../../web/lib/loader.js';

loader.widgets.CommentCount = widget => {
  let o = widget.options,
    text = loader.text,
    links = new Map(),
    plural,
    numbers,
    keys,
    query,
    late;
  // Never worse than English, whatever the page calls its language.
  [widget.lang, widget.lang.slice(0, 2), 'en'].find(lang => {
    try {
      plural = new Intl.PluralRules(lang);
      return (numbers = new Intl.NumberFormat(lang));
    } catch (e) {
      /* the next one */
    }
  });
  document.querySelectorAll('a[href*="#mc-container"], .cackle-comment-count').forEach(node => {
    let data = node.dataset,
      it = {url: data.cackleUrl || node.href},
      page;
    for (page in o) if (/^chan[HPW]/.test(page)) it[page] = o[page];
    page = node.getAttribute('cackle-channel') || data.cackleChannel || (!it.url && o.channel);
    if (page) it.channel = page;
    page = loader.channel(it);
    late = late || !page;
    page = page.channel || page.url;
    links.set(page, (links.get(page) || []).concat(node));
  });
  if (late) return loader.lazy('rare.js').then(() => loader.widgets.CommentCount(widget));
  function show(key, count) {
    const n = numbers.format(count),
      words = (!count && text(o.no)) || (plural.select(count) === 'one' && text(o.one)) || text(o.mult) || '{num}',
      html = text(o.html);
    (links.get(key) || []).forEach(node => {
      let all = html.replace('{comments}', words).replace(/\{(rating|stars)\}/g, 0) || words;
      all = all.replace(/\{num\}/g, n);
      if (o.html)
        import('./markup.js').then(m => {
          node.replaceChildren(m.markup(all));
        });
      else node.textContent = all;
    });
  }
  (loader.counters = loader.counters || {})[widget.site] = show;
  keys = [...links.keys()];
  // 50 in one request, or as many as a request's head has room for.
  while (keys.length) {
    query = new URLSearchParams({...(text(o.token) && {token: text(o.token)}), ...(o.chanHost && {host: 1})});
    for (let n = 0; n < 50 && keys.length && (query + '').length < 4000; n++)
      query.append(/:\/\//.test(keys[0]) ? 'url' : 'channel', keys.shift());
    loader
      .get('/api/v1/sites/' + encodeURIComponent(widget.site || 0) + '/counts?' + query)
      .then(answer => answer.json())
      .then(data => {
        Object.keys(data.counts).forEach(key => {
          show(key, data.counts[key]);
        });
        // From now on by the channels that the server made of addresses.
        for (const url in data.keys)
          links.set(data.keys[url], [].concat(links.get(data.keys[url]) || [], links.get(url)));
      })
      .catch(() => {
        // The links keep their own words.
        loader.lazy('rare.js').then(() => {
          loader.ask(widget.site);
        });
      });
  }
};
