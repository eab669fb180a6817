/* CommentCount: numbers for links to comments, a[href$="#mc-container"], by their cackle-channel or address. */
(function (Cackle) {
  'use strict';
  Cackle.widgets.CommentCount = function (widget) {
    var o = widget.options, links = {}, keys, plural = new Intl.PluralRules(widget.lang.slice(0, 2)), n;
    document.querySelectorAll('a[href$="#mc-container"]').forEach(function (a) {
      var key = a.getAttribute('cackle-channel') || Cackle.channel({url: a.href, chanParam: o.chanParam, chanWithoutParams: o.chanWithoutParams});
      (links[key] = links[key] || []).push(a);
    });
    keys = Object.keys(links);
    function word(count) {
      var form = !count && o.no ? o.no : plural.select(count) === 'one' && o.one || o.mult || '{num}';
      return form.replace('{num}', new Intl.NumberFormat(widget.lang).format(count));
    }
    for (n = 0; n < keys.length; n += 50) {
      Cackle.get('/api/v1/sites/' + widget.site + '/counts?' + keys.slice(n, n + 50).map(function (k) {
        return 'channel=' + encodeURIComponent(k);
      }).join('&')).then(function (answer) { return answer.json(); }).then(function (data) {
        for (var key in data.counts) (links[key] || []).forEach(function (a) { a.textContent = word(data.counts[key]); });
      }).catch(function () { /* the links keep their own words */ });
    }
  };
})(window.Cackle);
