/* Values that others may have made, or may have changed the methods of. */

/** @returns {string} an identifier that nobody else has */
export function uid() {
  if (window.crypto && 'randomUUID' in crypto) return crypto.randomUUID();
  return /** @type {Crypto} */ (crypto).getRandomValues(new Uint32Array(4)).join('-');
}

/**
 * Text with half surrogate pairs replaced: the server takes none.
 * @template T
 * @param {T} value
 * @returns {T}
 */
export const wellFormed = value =>
  typeof value === 'string' ? /** @type {T} */ (value.replace(/\p{Cs}/gu, '\ufffd')) : value;

/**
 * JSON as the language defines it, whatever the page has done: a toJSON on Object.prototype or Array.prototype is not
 * called.
 * @param {any} value
 * @returns {string}
 */
export function toJson(value) {
  /** @type {string[]} */
  const parts = [];
  if (Object(value) !== value) return JSON.stringify(wellFormed(value));
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) parts[i] = toJson(value[i]) || 'null';
    return '[' + parts.join() + ']';
  }
  Object.keys(value).forEach(key => {
    const text = toJson(value[key]);
    if (text !== undefined) parts[parts.length] = JSON.stringify(key) + ':' + text;
  });
  return '{' + parts.join() + '}';
}

/**
 * An object that was stored or given, or an empty one: others may have written there.
 * @param {any} value
 * @returns {Record<string, any>}
 */
export const asObject = value => (value && typeof value === 'object' && !Array.isArray(value) ? value : {});

/**
 * Whether the page said no: false, or the word.
 * @param {unknown} value
 */
export const isOff = value => value === false || value === 'false';
