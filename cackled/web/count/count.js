/* CommentCount: numbers for links to comments and for .cackle-comment-count, by channel or address. The comments widget
   on the same page tells what it knows (Cackle.counters), so that both show one number. */
(Cackle => {
  'use strict';
  Cackle.widgets.CommentCount = widget => {
    var o = widget.options, text = Cackle.text, links = new Map(), plural, numbers, keys, query;
    // Never worse than English, whatever the page calls its language.
    [widget.lang, widget.lang.slice(0, 2), 'en'].find(lang => {
      try {
        plural = new Intl.PluralRules(lang);
        return numbers = new Intl.NumberFormat(lang);
      } catch (e) { /* the next one */ }
    });
    document.querySelectorAll('a[href*="#mc-container"], .cackle-comment-count').forEach(node => {
      var data = node.dataset, key = Cackle.channel({channel: node.getAttribute('cackle-channel') || data.cackleChannel || !data.cackleUrl && !node.href && o.channel,
        url: data.cackleUrl || node.href, chanParam: o.chanParam, chanWithoutParams: o.chanWithoutParams});
      links.set(key, (links.get(key) || []).concat(node));
    });
    function show(key, count) {
      var n = numbers.format(count), words = !count && text(o.no) || plural.select(count) === 'one' && text(o.one) || text(o.mult) || '{num}', html = text(o.html);
      (links.get(key) || []).forEach(node => {
        var all = html.replace('{comments}', words).replace(/\{(rating|stars)\}/g, 0) || words;
        all = all.replace(/\{num\}/g, n);
        if (o.html) Cackle.lazy('rare.js').then(() => { node.replaceChildren(Cackle.markup(all)); });
        else node.textContent = all;
      });
    }
    (Cackle.counters = Cackle.counters || {})[widget.site] = show;
    keys = [...links.keys()];
    // 50 in one request, or as many as a request's head has room for.
    while (keys.length) {
      query = new URLSearchParams(text(o.token) && {token: text(o.token)});
      for (var n = 0; n < 50 && keys.length && (query + '').length < 4000; n++) query.append('channel', keys.shift());
      Cackle.get('/api/v1/sites/' + encodeURIComponent(widget.site || 0) + '/counts?' + query).then(answer => answer.json()).then(data => {
        Object.keys(data.counts).forEach(key => { show(key, data.counts[key]); });
      }).catch(() => {
        // The links keep their own words.
        Cackle.lazy('rare.js').then(() => { Cackle.ask(widget.site); });
      });
    }
  };
})(window.Cackle);
