// What a page with a chat says; calls may stand in the queue before anything is loaded.
(function () {
  var query = new URLSearchParams(location.search);
  var Cackle = (window.Cackle = window.Cackle || {});
  Cackle.Chat = Cackle.Chat || [];
  (window.cackle_widget = window.cackle_widget || []).push({
    widget: 'Chat',
    id: 1,
    lang: window.demoLanguage || '',
    theme: query.get('theme') || '',
  });
  document.addEventListener('click', function (event) {
    var what = event.target.getAttribute('data-chat');
    if (what === 'open') Cackle.Chat.push(['open']);
    if (what === 'prefill') Cackle.Chat.push(['prefill', 'How long does delivery take?']);
  });
})();
