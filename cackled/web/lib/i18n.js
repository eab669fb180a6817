/* Words in the visitor's language: the widget's `msg` overrides, its locale, English. Plurals and numbers by Intl. */
// @ts-nocheck
import {loader} from './loader.js';

// Refusals by the names that their words had as options before they were named by slug.
var OLD = {
  'too-fast': 'fast',
  unavailable: 'busy',
  'not-found': 'gone',
  comment: 'gone',
  window: 'late',
  locked: 'closed',
  origin: 'readonly',
};
export const makeWords = (lang, own) => {
  var short = lang.slice(0, 2),
    locale = loader.locales[short] || {},
    known = loader.locales[short] ? lang : 'en',
    plurals,
    numbers;
  // A tag that browsers don't take ("ru-") still begins with its language.
  try {
    plurals = new Intl.PluralRules(known);
  } catch (e) {
    plurals = new Intl.PluralRules((known = known.slice(0, 2)));
  }
  numbers = new Intl.NumberFormat(known);
  /* A word, or that of several plural forms which fits; '' for what is neither, as a page may give. */
  function form(words, key, n) {
    var word = Object.prototype.hasOwnProperty.call(Object(words), key) ? words[key] : '';
    return loader.text(Object(word) === word ? word[plurals.select(n)] || word.other : word);
  }
  function fill(word, values) {
    return word.replace(/\{(\w+)\}/g, (all, name) => {
      var value = Object.prototype.hasOwnProperty.call(values || {}, name) ? values[name] : all;
      return typeof value === 'number' ? numbers.format(value) : value;
    });
  }
  function t(key, values) {
    var n = values && values.n;
    return fill(form(own, key, n) || form(locale, key, n) || form(loader.locales.en, key, n) || key, values);
  }
  /* Words for a refusal, by its slug; '' where there are none. Those in English come with what is loaded later. */
  t.problem = (slug, values) => {
    var n = values && values.n;
    return fill(
      form(own, slug, n) ||
        form(own, OLD[slug], n) ||
        form(locale.problems, slug, n) ||
        form(loader.locales.en.problems, slug, n),
      values,
    );
  };
  t.lang = known;
  t.number = n => numbers.format(n);
  return t;
};
