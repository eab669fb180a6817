// The details of the staff's log in words. What says nothing is left out.
import {has, LANGUAGE_NAMES, number, t} from '../words.js';

/** What a detail is called, where that is said beside its value. @type {Record<string, string>} */
const LABELS = {
  asked_by: 'audit.asked_by',
  comments: 'product.comments',
  count: 'hooks.events',
  event: 'hooks.events',
  format: 'transfer.format',
  items: 'audit.items',
  kind: 'ban.kind',
  language: 'language',
  name: 'name',
  note: 'hooks.note',
  origins: 'settings.origins',
  product: 'queue.product',
  role: 'members.role',
  scopes: 'keys.scopes',
  settings: 'nav.settings',
  slow: 'rules.slow_seconds',
  to: 'audit.to',
  types: 'hooks.events',
  url: 'hooks.url',
};
/** What a switch is called when it is on, and when it is off; without the second, that says nothing.
 * @type {Record<string, [string, string?]>} */
const SWITCHES = {
  closed: ['deed.close', 'deed.open'],
  dry: ['transfer.dry.mark'],
  enabled: ['hooks.state.on', 'hooks.state.off'],
  read_only: ['audit.read_only', 'audit.read_only.off'],
  restored: ['audit.restored'],
  shadow: ['ban.shadow'],
};
/** Where the words of a value are: `role.` and the value. @type {Record<string, string[]>} */
const VALUES = {kind: ['ban.', 'letters.kind.'], mode: ['people.'], product: ['product.'], role: ['role.']};
/** What is for programs: the number of a decision, which the button to undo has, and of a version. */
const SILENT = ['action', 'version'];

/** @param {string} name @param {any} value */
function words(name, value) {
  if (name === 'language') return Object.hasOwn(LANGUAGE_NAMES, value) ? LANGUAGE_NAMES[value] : String(value);
  const found = (VALUES[name] || []).map(one => one + value).find(has);
  if (found) return t(found);
  if (typeof value === 'number') return number(value);
  if (typeof value === 'boolean') return t(value ? 'yes' : 'no');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** @param {string} name @param {any} value */
function part(name, value) {
  if (SILENT.includes(name) || value === null || value === '' || value?.length === 0) return '';
  if (typeof value === 'boolean' && SWITCHES[name]) {
    const key = SWITCHES[name][value ? 0 : 1];
    return key ? t(key) : '';
  }
  // One item is the one that stands beside it.
  if (name === 'items' && value <= 1) return '';
  const said = Array.isArray(value) ? value.map(one => words(name, one)).join(', ') : words(name, value);
  if (name === 'mode') return said;
  return `${LABELS[name] ? t(LABELS[name]) : name}: ${said}`;
}

/**
 * What a row of the log says besides who, what and on what.
 * @param {Record<string, any>} detail
 * @returns {string} empty where there is nothing to say
 */
export const told = detail =>
  Object.entries(detail)
    .map(([name, value]) => part(name, value))
    .filter(Boolean)
    .join(' · ');
