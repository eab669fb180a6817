/* Words in the visitor's language: the widget's `msg` overrides, its locale, English. Plurals and numbers by Intl. */
(Cackle => {
  'use strict';
  Cackle.words = (lang, own) => {
    var short = lang.slice(0, 2), locale = Cackle.locales[short] || {}, known = Cackle.locales[short] ? lang : 'en', plurals, numbers;
    // A tag that browsers don't take ("ru-") still begins with its language.
    try { plurals = new Intl.PluralRules(known); } catch (e) { plurals = new Intl.PluralRules(known = known.slice(0, 2)); }
    numbers = new Intl.NumberFormat(known);
    /* A word, or that of several plural forms which fits; '' for what is neither, as a page may give. */
    function form(words, key, n) {
      var word = Object.prototype.hasOwnProperty.call(words, key) ? words[key] : '';
      return Cackle.text(Object(word) === word ? word[plurals.select(n)] || word.other : word);
    }
    function t(key, values) {
      var n = values && values.n, word = form(own, key, n) || form(locale, key, n) || form(Cackle.locales.en, key, n) || key;
      return word.replace(/\{(\w+)\}/g, (all, name) => {
        var value = Object.prototype.hasOwnProperty.call(values || {}, name) ? values[name] : all;
        return typeof value === 'number' ? numbers.format(value) : value;
      });
    }
    t.lang = known;
    t.number = n => numbers.format(n);
    return t;
  };
})(window.Cackle);
