/* Words in the visitor's language: the widget's `msg` overrides, its locale, English. Plurals and numbers by Intl. */
import {loader} from './loader.js';

/** @typedef {Record<string, string | number>} Values */
/**
 * Words by their key, with `{name}` filled in; of several plural forms the one for `n`.
 * @typedef {((key: string, values?: Values) => string) & {
 *   lang: string, number: (n: number) => string, problem: (slug: string, values?: Values) => string}} Translate
 */

// Refusals by the names that their words had as options before they were named by slug.
/** @type {Record<string, string>} */
const OLD = {
  'too-fast': 'fast',
  unavailable: 'busy',
  'not-found': 'gone',
  comment: 'gone',
  window: 'late',
  locked: 'closed',
  origin: 'readonly',
};
/**
 * @param {any} object
 * @param {string} key
 */
const has = (object, key) => Object.prototype.hasOwnProperty.call(Object(object), key);

/**
 * @param {string} lang
 * @param {Record<string, any>} own the page's
 * @param {string} space the product, whose words go before those that all share
 * @returns {Translate}
 */
export function makeWords(lang, own, space) {
  const short = lang.slice(0, 2);
  const locale = loader.locales[short] || {};
  let known = loader.locales[short] ? lang : 'en';
  /** @type {Intl.PluralRules} */
  let plurals;
  // A tag that browsers don't take ("ru-") still begins with its language.
  try {
    plurals = new Intl.PluralRules(known);
  } catch {
    plurals = new Intl.PluralRules((known = known.slice(0, 2)));
  }
  const numbers = new Intl.NumberFormat(known);

  /**
   * A word, or that of several plural forms which fits; '' for what is neither, as a page may give.
   * @param {any} words
   * @param {string} key
   * @param {any} n
   */
  function form(words, key, n) {
    const word = has(words, key) ? words[key] : '';
    return loader.text(Object(word) === word ? word[plurals.select(n)] || word.other : word);
  }
  /**
   * @param {string} word
   * @param {Values} [values]
   */
  const fill = (word, values) =>
    word.replace(/\{(\w+)\}/g, (all, name) => {
      const value = has(values, name) ? /** @type {Values} */ (values)[name] : all;
      return typeof value === 'number' ? numbers.format(value) : value;
    });

  const t = /** @type {Translate} */ (
    (key, values) => {
      const n = values && values.n;
      const {en} = loader.locales;
      const word =
        form(own, key, n) ||
        form(locale[space], key, n) ||
        form(locale, key, n) ||
        form(en[space], key, n) ||
        form(en, key, n);
      return fill(word || key, values);
    }
  );
  // Words for a refusal, by its slug; '' where there are none. Those in English come with what is loaded later.
  t.problem = (slug, values) => {
    const n = values && values.n;
    const word =
      form(own, slug, n) ||
      form(own, OLD[slug], n) ||
      form(locale.problems, slug, n) ||
      form(loader.locales.en.problems, slug, n);
    return fill(word, values);
  };
  t.lang = known;
  t.number = n => numbers.format(n);
  return t;
}
