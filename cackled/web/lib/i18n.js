/* Words in the visitor's language: the widget's `msg` overrides, its locale, English. Plurals and numbers by Intl. */
(Cackle => {
  'use strict';
  Cackle.words = (lang, own) => {
    var short = lang.slice(0, 2), locale = Cackle.locales[short] || {}, known = Cackle.locales[short] ? lang : 'en', plurals, numbers;
    try { plurals = new Intl.PluralRules(known); numbers = new Intl.NumberFormat(known); } catch (e) {
      known = 'en';
      plurals = new Intl.PluralRules(known);
      numbers = new Intl.NumberFormat(known);
    }
    function t(key, values) {
      var word = (own && own[key]) || locale[key] || Cackle.locales.en[key] || key, n = values && values.n;
      if (typeof word === 'object') word = word[plurals.select(n)] || word.other;
      return word.replace(/\{(\w+)\}/g, (all, name) => {
        return typeof values[name] === 'number' ? numbers.format(values[name]) : values[name];
      });
    }
    t.lang = known;
    t.number = n => numbers.format(n);
    return t;
  };
})(window.Cackle);
