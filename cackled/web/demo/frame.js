/* What all demo pages share: the theme, as it was chosen on any of them (or by ?theme=), the mark of the current page,
   and the language of what is embedded (or ?lang=): the reader's own. The pages themselves are English. */
(function () {
  'use strict';
  var root = document.documentElement;
  var query = new URLSearchParams(location.search);
  var theme = query.get('theme');
  // Those that there are catalogues for.
  var known = ['ar', 'de', 'en', 'es', 'fr', 'he', 'it', 'ja', 'pl', 'pt', 'ru', 'tr', 'uk', 'zh'];
  var own = (navigator.languages || [navigator.language]).filter(function (one) {
    return known.indexOf(one.slice(0, 2)) >= 0;
  })[0];
  var lang = query.get('lang') || (own && own.slice(0, 2) !== 'en' ? own : '');
  var dir = query.get('dir') || (/^(ar|he)/.test(lang) ? 'rtl' : '');
  window.demoLanguage = lang;
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
    document.querySelectorAll('#mc-container, #mc-review, [data-poll]').forEach(function (node) {
      if (dir) node.dir = dir;
    });
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
