/* What all demo pages share: the theme, as it was chosen on any of them (or by ?theme=), and the mark of the current page. */
(function () {
  'use strict';
  var root = document.documentElement;
  var theme = new URLSearchParams(location.search).get('theme');
  try {
    theme = theme || localStorage.getItem('demo-theme');
  } catch (e) {
    // Storage is forbidden: the system's theme.
  }

  function show(chosen) {
    root.dataset.theme = /^(light|dark)$/.test(chosen) ? chosen : 'auto';
    document.querySelectorAll('.themes button').forEach(function (button) {
      button.setAttribute('aria-pressed', String(button.dataset.theme === root.dataset.theme));
    });
  }
  show(theme);
  document.addEventListener('DOMContentLoaded', function () {
    show(root.dataset.theme);
    document.querySelectorAll('.bar nav a').forEach(function (a) {
      if (a.href === location.href.replace(/#.*/, '')) a.setAttribute('aria-current', 'page');
    });
    document.querySelectorAll('.themes button').forEach(function (button) {
      button.addEventListener('click', function () {
        show(button.dataset.theme);
        try {
          localStorage.setItem('demo-theme', button.dataset.theme);
        } catch (e) {
          // For this page only.
        }
      });
    });
  });
  // Another window changed the theme.
  addEventListener('storage', function (event) {
    if (event.key === 'demo-theme') show(event.newValue);
  });
})();
