/* What to tell the visitor about a call that failed. */
import {loader} from './loader.js';

/** @typedef {import('./fetching.js').Refused} Refused */

// What stands for a refusal that has no words of its own.
/** @type {Record<number, string>} */
const STATUSES = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not-found',
  409: 'conflict',
  410: 'not-found',
  413: 'content-too-large',
  429: 'too-fast',
};

/**
 * Whether asking again, just so, may help.
 * @param {Refused} error
 */
export const mayPass = ({status}) => !status || [401, 408, 421, 429].includes(status) || status > 499;

/**
 * @param {import('./i18n.js').Translate} t
 * @param {Refused} error
 * @param {boolean} [writing] it is said too that the words are kept, where that is in doubt
 * @returns {string}
 */
export function reason(t, error, writing) {
  const {status, problem = {}} = error;
  const values = {n: Math.max(1, Math.ceil(error.retry || 5))};
  const safe = writing ? ' ' + t('safe') : '';
  if (!status) return t('network') + safe;
  const known =
    t.problem(/** @type {string} */ (loader.text(problem.type).split('/').pop()), values) ||
    t.problem(STATUSES[status] || (status > 499 ? 'unavailable' : ''), values);
  if (known) return known + (status > 499 ? safe : '');
  // What the server says in words, it says in English.
  return (/^en/.test(t.lang) && loader.text(problem.detail)) || t('wrong');
}
