/* The demo page: what a customer's page does (the two pushes), and around it the theme switch and the two windows. */
(function () {
  'use strict';
  var query = new URLSearchParams(location.search), root = document.documentElement, theme = 'auto';
  var split = query.has('split');
  try { theme = localStorage.getItem('demo-theme') || 'auto'; } catch (e) { /* auto */ }
  root.dataset.theme = theme;

  if (!split) {
    // The script may run before or after these lines; both work.
    document.addEventListener('DOMContentLoaded', function () {
      window.cackle_widget = window.cackle_widget || [];
      window.cackle_widget.push({widget: 'Comment', id: 1, channel: document.body.dataset.channel, lang: query.get('lang') || undefined});
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
    document.querySelectorAll('.bar nav a').forEach(function (a) {
      if (a.href === location.href) a.setAttribute('aria-current', 'page');
    });
    document.querySelectorAll('.themes button').forEach(function (button) {
      function show() { button.setAttribute('aria-pressed', String(button.dataset.theme === root.dataset.theme)); }
      show();
      button.addEventListener('click', function () {
        root.dataset.theme = button.dataset.theme;
        try { localStorage.setItem('demo-theme', button.dataset.theme); } catch (e) { /* for this page only */ }
        document.querySelectorAll('.themes button').forEach(function (b) { b.setAttribute('aria-pressed', String(b === button)); });
      });
    });
  });
  // The other window changed the theme.
  addEventListener('storage', function (event) {
    if (event.key === 'demo-theme' && event.newValue) root.dataset.theme = event.newValue;
  });
})();
