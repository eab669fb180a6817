/* The demo page: what a customer's page does (the two pushes), and the two windows. */
(function () {
  'use strict';
  var query = new URLSearchParams(location.search);
  var split = query.has('split');

  if (!split) {
    // The script may run before or after these lines; both work.
    document.addEventListener('DOMContentLoaded', function () {
      window.cackle_widget = window.cackle_widget || [];
      window.cackle_widget.push({widget: 'Comment', id: 1, channel: document.body.dataset.channel, lang: window.demoLanguage || undefined});
      window.cackle_widget.push({widget: 'CommentCount', id: 1, no: 'no comments yet', one: '{num} comment', mult: '{num} comments'});
    });
  }

  document.addEventListener('DOMContentLoaded', function () {
    var windows;
    document.body.classList.toggle('embed', query.has('embed'));
    if (split) {
      document.body.classList.add('split');
      windows = document.createElement('div');
      windows.className = 'windows';
      ['One reader', 'Another reader'].forEach(function (title) {
        var frame = document.createElement('iframe');
        frame.title = title;
        frame.src = '/demo?embed=1';
        windows.append(frame);
      });
      document.body.append(windows);
    }
  });
})();
