/* What a product's page does: one entry for its reviews, one for the stars of all products that it names. */
(function () {
  'use strict';
  var query = new URLSearchParams(location.search);
  document.documentElement.dir = query.get('dir') || 'ltr';
  document.addEventListener('DOMContentLoaded', function () {
    var lang = window.demoLanguage || undefined;
    window.cackle_widget = window.cackle_widget || [];
    window.cackle_widget.push({
      widget: 'Review', id: 1, channel: query.get('channel') || document.body.dataset.channel, lang: lang,
      product: {name: 'The three-litre kettle'}
    });
    window.cackle_widget.push({
      widget: 'ReviewRating', id: 1, lang: lang,
      html: '{{?it.numr}}{{=it.stars}} <b>{{=it.rating}}</b> <span>{{=it.numr}} {{=it.reviews}}</span>{{??}}<span>no reviews yet</span>{{?}}'
    });
  });
})();
