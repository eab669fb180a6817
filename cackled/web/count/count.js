/* CommentCount: numbers for links to comments, a[href$="#mc-container"], by their cackle-channel or address. The comments
   widget on the same page tells what it knows (Cackle.counters), so that both show one number. */
(Cackle => {
  'use strict';
  Cackle.widgets.CommentCount = widget => {
    var o = widget.options, links = {}, keys, plural = new Intl.PluralRules(widget.lang.slice(0, 2)), n, query;
    document.querySelectorAll('a[href$="#mc-container"]').forEach(a => {
      var key = Cackle.channel({channel: a.getAttribute('cackle-channel'), url: a.href, chanParam: o.chanParam, chanWithoutParams: o.chanWithoutParams});
      (links[key] = links[key] || []).push(a);
    });
    keys = Object.keys(links);
    function word(count) {
      var form = !count && o.no ? o.no : plural.select(count) === 'one' && o.one || o.mult || '{num}';
      return form.replace('{num}', new Intl.NumberFormat(widget.lang).format(count));
    }
    function show(key, count) { (links[key] || []).forEach(a => { a.textContent = word(count); }); }
    (Cackle.counters = Cackle.counters || {})[widget.site] = show;
    // 50 in one request, or as many as a request's head has room for.
    while (keys.length) {
      query = o.token ? '&token=' + encodeURIComponent(o.token) : '';
      for (n = 0; n < 50 && keys.length && query.length < 4000; n++) query += '&channel=' + encodeURIComponent(keys.shift());
      Cackle.get('/api/v1/sites/' + widget.site + '/counts?' + query.slice(1)).then(answer => answer.json()).then(data => {
        for (var key in data.counts) show(key, data.counts[key]);
      }).catch(() => { /* the links keep their own words */ });
    }
  };
})(window.Cackle);
