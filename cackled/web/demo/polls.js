// What a page of polls says: one entry for each, with the element that it goes into.
(function () {
  var list = (window.cackle_widget = window.cackle_widget || []);
  document.documentElement.dir = new URLSearchParams(location.search).get('dir') || 'ltr';
  document.addEventListener('DOMContentLoaded', function () {
    Array.prototype.forEach.call(document.querySelectorAll('[data-poll]'), function (node) {
      list.push({
        widget: 'Poll',
        id: 1,
        pollId: node.getAttribute('data-poll'),
        // The first stands in the place that a poll has where none is named.
        container: node.id === 'mc-poll' ? '' : node.id,
        lang: window.demoLanguage || '',
        theme: new URLSearchParams(location.search).get('theme') || '',
      });
    });
  });
})();
