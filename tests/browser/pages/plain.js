/* The test page: options of the widget from the query (`o`, JSON) or the window (`given`; and a function, `renew`), and a look (`look`). */
(function () {
  var query = new URLSearchParams(location.search), look = query.get('look') || '', options = window.given || JSON.parse(query.get('o') || '{}');
  window.calls = [];
  window.cackle_widget = [Object.assign({widget: 'Comment', id: 1, channel: query.get('channel') || 'plain', callback: {}, renew: window.renew}, options)];
  // `bare`: the conversation of the page's address.
  if (query.has('bare')) delete window.cackle_widget[0].channel;
  // Tests give callbacks of other types too.
  if (Object(options.callback) === options.callback || !('callback' in options)) ['create', 'edit', 'status', 'vote', 'submit', 'reply', 'ready', 'loggedin'].forEach(function (name) {
    window.cackle_widget[0].callback[name] = [function (data) { window.calls.push([name, data]); }];
  });
  if (query.get('lang')) document.documentElement.lang = query.get('lang');
  if (query.get('dir')) document.documentElement.dir = query.get('dir');
  window.shift = 0;
  new PerformanceObserver(function (list) {
    list.getEntries().forEach(function (e) { if (!e.hadRecentInput) window.shift += e.value; });
  }).observe({type: 'layout-shift', buffered: true});
  addEventListener('DOMContentLoaded', function () {
    if (look) document.body.className = look;
    if (query.get('above')) document.getElementById('above').style.height = query.get('above') + 'px';
  });
})();
