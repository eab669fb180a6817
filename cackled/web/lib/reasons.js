/* What to tell the visitor about a call that failed. */
// @ts-nocheck
import {loader} from './loader.js';

/* Whether asking again, just so, may help. */
export const mayPass = error =>
  !error.status ||
  error.status === 401 ||
  error.status === 408 ||
  error.status === 421 ||
  error.status === 429 ||
  error.status > 499;
/* What to tell the visitor about an error; writing: that the words are kept, where that is in doubt. */
export const reason = (t, error, writing) => {
  var s = error.status,
    problem = error.problem || {},
    values = {n: Math.max(1, Math.ceil(error.retry || 5))},
    safe = writing ? ' ' + t('safe') : '',
    known;
  if (!s) return t('network') + safe;
  known =
    t.problem(loader.text(problem.type).split('/').pop(), values) ||
    t.problem(
      {
        401: 'unauthorized',
        403: 'forbidden',
        404: 'not-found',
        409: 'conflict',
        410: 'not-found',
        413: 'content-too-large',
        429: 'too-fast',
      }[s] ||
        (s > 499 && 'unavailable'),
      values,
    );
  // What the server says in words, it says in English.
  return known ? known + (s > 499 ? safe : '') : (/^en/.test(t.lang) && loader.text(problem.detail)) || t('wrong');
};
