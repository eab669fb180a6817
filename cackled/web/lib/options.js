/* The options of a widget, each of the type it should be, or left out. */
import {loader} from './loader.js';
import {asObject} from './values.js';

/**
 * @typedef {object} Options
 * @property {string} title
 * @property {string} theme
 * @property {string} countContainer
 * @property {string} token
 * @property {Record<string, any>} msg
 * @property {Record<string, any>} callback
 * @property {number | null} level
 * @property {(() => unknown) | null} renew
 * @property {any} [ratingOff]
 * @property {Record<string, any> | null} [said]
 */

/**
 * @param {Record<string, any>} given
 * @returns {Options}
 */
export function readOptions(given) {
  const o = Object.assign({}, given);
  const level = parseInt(loader.text(o.level));
  ['title', 'theme', 'countContainer', 'token'].forEach(key => {
    o[key] = loader.text(o[key]);
  });
  ['msg', 'callback'].forEach(key => {
    o[key] = asObject(o[key]);
  });
  o.level = level >= 0 ? level : null;
  if (typeof o.renew !== 'function') o.renew = null;
  // What the page's server says of its visitor: ours or FastComments', Cackle's, Disqus'.
  o.said = null;
  o.ssoProvider = o.ssoProvider || /** @type {any} */ (window).mcSSOProvider;
  const sso = o.sso;
  const words = {ssoAuth: o.ssoAuth || /** @type {any} */ (window).mcSSOAuth, remote_auth_s3: o.remote_auth_s3};
  if (loader.text(sso)) o.said = {sso: loader.text(sso)};
  else if (sso && loader.text(sso.userDataJSONBase64))
    o.said = {
      sso: {
        userDataJSONBase64: loader.text(sso.userDataJSONBase64),
        verificationHash: loader.text(sso.verificationHash),
        timestamp: +sso.timestamp || 0,
      },
    };
  else
    Object.entries(words).forEach(([key, value]) => {
      if (loader.text(value)) o.said = {[key]: loader.text(value)};
    });
  return /** @type {any} */ (o);
}
