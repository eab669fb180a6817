// Canned replies: which fit what is typed after a slash, and their variables.

/** @typedef {{id: string, short: string, text: string, language?: string | null, department?: string | null, uses?: number}} Reply */
/** @typedef {Record<string, Record<string, string | null | undefined> | undefined>} Facts */

/** The variables that there are. */
export const VARIABLES = [
  'visitor.name',
  'visitor.mail',
  'operator.name',
  'page.title',
  'page.url',
  'site.name',
  'department.name',
];

/**
 * What is typed after a slash, where a word begins with one before the caret.
 * @param {string} text
 * @param {number} caret
 * @returns {{from: number, word: string} | null}
 */
export function slash(text, caret) {
  const found = /(?:^|\s)\/([^\s/]{0,40})$/u.exec(text.slice(0, caret));
  return found ? {from: caret - found[1].length - 1, word: found[1]} : null;
}

/** @param {string} text */
const plain = text => text.normalize('NFKD').replace(/\p{M}/gu, '').toLowerCase();

/**
 * Those that fit, the best first: whose name begins so, then whose name or words have it; of the visitor's language
 * before others, of the department, and what is used most.
 * @param {Reply[]} replies
 * @param {string} word
 * @param {{language?: string | null, department?: string | null}} chat
 * @returns {Reply[]}
 */
export function fitting(replies, word, {language, department} = {}) {
  const want = plain(word);
  /** @param {Reply} one */
  const rank = one => {
    const short = plain(one.short.replace(/^\//, ''));
    if (short === want) return 0;
    if (short.startsWith(want)) return 1;
    if (short.includes(want)) return 2;
    return plain(one.text).includes(want) ? 3 : -1;
  };
  const short = (language || '').toLowerCase().split('-')[0];
  /** @param {Reply} one */
  const foreign = one => (one.language && short && one.language.toLowerCase().split('-')[0] !== short ? 1 : 0);
  return replies
    .filter(one => !one.department || !department || String(one.department) === String(department))
    .map(one => ({one, at: rank(one)}))
    .filter(({at}) => at >= 0)
    .sort(
      (a, b) =>
        a.at - b.at ||
        foreign(a.one) - foreign(b.one) ||
        (b.one.uses || 0) - (a.one.uses || 0) ||
        (a.one.short < b.one.short ? -1 : 1),
    )
    .map(({one}) => one)
    .slice(0, 8);
}

/**
 * The text with what its variables stand for. What is not known becomes what stands after a bar, `{visitor.name|there}`,
 * or nothing; what is no variable stays as it is, and what a value holds is never read as one.
 * @param {string} text
 * @param {Facts} facts
 * @returns {string}
 */
export function fill(text, facts) {
  return text
    .replace(/\{(\w+)\.(\w+)(?:\|([^{}]*))?\}/g, (all, group, name, other) => {
      if (!VARIABLES.includes(`${group}.${name}`)) return all;
      return String(facts[group]?.[name] || other || '');
    })
    .replace(/[ \t]+([,.!?])/g, '$1');
}
