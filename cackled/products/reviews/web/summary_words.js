/* A number of stars in words. */

/**
 * @param {import('../../../web/lib/i18n.js').Translate} t
 * @param {number} value
 */
export const outOf = (t, value) => t('reviewOutOf', {value: new Intl.NumberFormat(t.lang).format(value)});
