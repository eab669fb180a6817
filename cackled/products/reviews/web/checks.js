/* "How reviews are checked": what the settings in force do, each as the server says it, in words. */
import {REASONS} from './item.js';
import {openWindow} from './viewer.js';
import {notice} from './widget.js';
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {reason} from '../../../web/lib/reasons.js';

/** @typedef {import('./widget.js').Reviews} Reviews */

/** @type {Record<string, string>} */
export const CHECKS = {
  'purchase-all': 'checkPurchaseAll',
  'purchase-some': 'checkPurchaseSome',
  'purchase-none': 'checkPurchaseNone',
  'who-everyone': 'checkEveryone',
  'who-signed-in': 'checkSignedIn',
  'who-buyers': 'checkBuyers',
  'order-helpful': 'checkOrderHelpful',
  'order-newest': 'checkOrderNewest',
  'all-published': 'checkAllPublished',
  premoderated: 'checkPremoderated',
  'premoderated-some': 'checkPremoderatedSome',
  'premoderated-trusted': 'checkPremoderatedTrusted',
  'published-at-once': 'checkAtOnce',
  filter: 'checkFilter',
  asked: 'checkAsked',
  removal: 'checkRemoval',
  'edits-history': 'checkEdits',
  'edits-shown': 'checkEditsShown',
  imported: 'checkImported',
  incentivized: 'checkPaid',
  staff: 'checkStaff',
  requests: 'checkRequests',
  'one-per-person': 'checkOne',
  'one-per-visitor': 'checkOneVisitor',
  'one-per-order': 'checkOneOrder',
  report: 'checkReport',
  'report-hides': 'checkReportHides',
  kept: 'checkKept',
  aggregate: 'checkAggregate',
};

/** What holds a review back, as rules name it. @type {Record<string, string>} */
const HELD = {
  first: 'heldFirst',
  links: 'heldLinks',
  words: 'heldWords',
  patterns: 'heldPatterns',
  languages: 'heldLanguages',
  form: 'heldForm',
  alike: 'heldAlike',
  rush: 'heldRush',
  names: 'heldNames',
};

/**
 * A statement in words; '' for one that this widget does not know.
 * @param {import('../../../web/lib/i18n.js').Translate} t
 * @param {{code: string, values: Record<string, any>}} statement
 */
export function statementWords(t, {code, values}) {
  const key = Object.prototype.hasOwnProperty.call(CHECKS, code) ? CHECKS[code] : '';
  // One reason is enough to hide a review.
  const list = new Intl.ListFormat(t.lang, {type: code === 'removal' ? 'disjunction' : 'conjunction'});
  /** @type {Record<string, any>} */
  const filled = {};
  Object.entries(values || {}).forEach(([name, value]) => {
    filled[name === 'days' || name === 'years' ? 'n' : name] = Array.isArray(value)
      ? list.format(value.map(one => (REASONS[one] || HELD[one] ? t(REASONS[one] || HELD[one]) : loader.text(one))))
      : value;
  });
  return key && t(key, filled);
}

/** @param {Reviews} w */
export async function showChecks(w) {
  try {
    const {statements} = await w.api('GET', '/reviews/checks');
    if (w.closed) return;
    openWindow(
      w,
      w.t('reviewChecked'),
      el(
        'div.mcr-checks',
        {role: 'list'},
        statements
          .map((/** @type {any} */ one) => statementWords(w.t, one))
          .filter((/** @type {string} */ one) => one)
          .map((/** @type {string} */ one) => el('div', {role: 'listitem'}, one)),
      ),
    );
  } catch (error) {
    notice(w, reason(w.t, /** @type {any} */ (error)));
  }
}
