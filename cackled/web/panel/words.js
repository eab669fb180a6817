// The panel's words, in the language that the person chose, or the browser's.
import {computed, signal} from './libraries.js';
import english from './locales/en.json' with {type: 'json'};

/** @typedef {string | Partial<Record<Intl.LDMLPluralRule, string>>} Entry a plural has a form for each category */
/** @typedef {Record<string, Entry>} Catalogue */

/** @type {Record<string, Catalogue>} */
const catalogues = {en: /** @type {Catalogue} */ (english.panel)};

const KEY = 'cackled-panel-language';

function chosen() {
  try {
    const kept = localStorage.getItem(KEY);
    if (kept) return kept;
  } catch {
    // Storage may be refused; the browser's languages do.
  }
  return navigator.languages?.[0] || 'en';
}

export const language = signal(chosen());
/** @param {string} name of a language, with or without region */
const short = name => name.toLowerCase().split('-')[0];
/** Those whose words are here. */
const loaded = signal(['en']);
/** The language that is shown. */
export const known = computed(() => (loaded.value.includes(short(language.value)) ? short(language.value) : 'en'));
const rules = computed(() => new Intl.PluralRules(known.value));

/**
 * The words of *key*. `{name}` in them stands for a value; a plural goes by the value `n`.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 * @returns {string} the key itself where there are none
 */
export function t(key, values = {}) {
  const entry = catalogues[known.value][key] ?? catalogues.en[key];
  if (entry === undefined) return key;
  const text = typeof entry === 'string' ? entry : (entry[rules.value.select(Number(values.n))] ?? entry.other ?? key);
  return text.replace(/\{(\w+)\}/g, (all, name) => {
    const value = values[name];
    if (value === undefined) return all;
    return typeof value === 'number' ? number(value) : value;
  });
}

/** Whether there are words of *key*. @param {string} key */
export const has = key => key in catalogues[known.value] || key in catalogues.en;

/** Formats are costly to make, and a page needs few: each is made once. @type {Map<string, any>} */
const formats = new Map();

/**
 * A format of the language that is shown.
 * @template T
 * @param {string} name
 * @param {(language: string) => T} make
 * @returns {T}
 */
export function made(name, make) {
  const key = `${known.value} ${name}`;
  if (!formats.has(key)) formats.set(key, make(known.value));
  return formats.get(key);
}

/** @param {number} value */
export const number = value => made('number', language => new Intl.NumberFormat(language)).format(value);

/** @param {number} value from 0 to 1 @param {number} [digits] */
export const percent = (value, digits = 0) =>
  made(
    `percent ${digits}`,
    language => new Intl.NumberFormat(language, {style: 'percent', maximumFractionDigits: digits}),
  ).format(value);

const UNITS = ['byte', 'kilobyte', 'megabyte', 'gigabyte'];

/** A size, in the largest unit of which there is one. @param {number} count */
export function bytes(count) {
  const step = count < 1 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log(count) / Math.log(1000)));
  const format = {style: 'unit', unit: UNITS[step], maximumFractionDigits: step ? 1 : 0};
  return new Intl.NumberFormat(known.value, /** @type {any} */ (format)).format(count / 1000 ** step);
}

/** @param {string | number | Date} at */
export const moment = at =>
  made('moment', language => new Intl.DateTimeFormat(language, {dateStyle: 'medium', timeStyle: 'short'})).format(
    new Date(at),
  );

/** @param {string | number | Date} at */
export const day = at =>
  made('day', language => new Intl.DateTimeFormat(language, {dateStyle: 'medium'})).format(new Date(at));

const STEPS = /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([
  ['year', 31_536_000],
  ['month', 2_592_000],
  ['week', 604_800],
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
]);

/**
 * How long ago, or in how long, in words.
 * @param {string | number | Date} at
 * @param {number} [now] milliseconds
 */
export function ago(at, now = Date.now()) {
  const seconds = Math.round((new Date(at).getTime() - now) / 1000);
  const format = made('ago', language => new Intl.RelativeTimeFormat(language, {numeric: 'auto', style: 'short'}));
  for (const [unit, length] of STEPS) {
    // What was is counted by what is full; what comes "in 7 days" is not in 6, because some seconds went by.
    const count = seconds < 0 ? Math.trunc(seconds / length) : Math.round(seconds / length);
    if (Math.abs(seconds) >= length) return format.format(count, unit);
  }
  return format.format(0, 'second');
}

const RTL = /^(ar|he|fa|ur)\b/;

/** Say to the page which language it is in. */
export function applyLanguage() {
  document.documentElement.lang = known.value;
  document.documentElement.dir = RTL.test(known.value) ? 'rtl' : 'ltr';
}

/** What each language is called in itself. */
export const LANGUAGE_NAMES = /** @type {Record<string, string>} */ ({
  en: 'English',
  ru: 'Русский',
  uk: 'Українська',
  de: 'Deutsch',
  fr: 'Français',
  es: 'Español',
  pt: 'Português',
  it: 'Italiano',
  pl: 'Polski',
  tr: 'Türkçe',
  ja: '日本語',
  zh: '中文',
  ar: 'العربية',
  he: 'עברית',
});

/** Those that the server has besides. */
const others = (document.getElementById('panel')?.dataset.languages || '').split(' ').filter(Boolean);

/** The languages that there are words in. */
export const languages = () => ['en', ...others];

/** Parts of the panel with words of their own, and which of those are here: `chat/ru`. @type {Set<string>} */
const parts = new Set();
/** @type {Set<string>} */
const had = new Set();

/**
 * Fetches the words of a language, and those of the parts that are in use; without them it is English.
 * @param {string} name
 */
async function load(name) {
  if (!others.includes(name)) return;
  await Promise.all(['', ...parts].map(part => fetchWords(part, name)));
}

/** @param {string} part '' for what all pages share @param {string} name */
async function fetchWords(part, name) {
  const key = `${part}/${name}`;
  if (had.has(key)) return;
  try {
    const file = part ? `${part}-${name}` : name;
    const answer = await fetch(`/panel/words/${file}.json`, {signal: AbortSignal.timeout(10_000)});
    if (!answer.ok) return;
    catalogues[name] = {...catalogues[name], ...(await answer.json())};
    had.add(key);
    loaded.value = [...new Set([...loaded.value, name])];
  } catch {
    // Not reached: what comes next says so.
  }
}

/**
 * Words of a part of the panel that is loaded when it is opened, in English and in the language that is shown.
 * @param {string} part
 * @param {Catalogue} english
 */
export async function extend(part, english) {
  catalogues.en = {...catalogues.en, ...english};
  parts.add(part);
  await load(short(language.value));
}

/** The words of the language that is wanted, before anything is shown. */
export async function startLanguage() {
  await load(short(language.value));
  applyLanguage();
}

/**
 * Choose a language, for this browser.
 * @param {string} name
 */
export function choose(name) {
  try {
    localStorage.setItem(KEY, name);
  } catch {
    // It holds for this page then.
  }
  language.value = name;
  return startLanguage();
}

/**
 * What to tell somebody of a refusal: our own words for its slug, else the server's.
 * @param {any} error
 * @returns {string}
 */
export function reason(error) {
  if (!error || !('status' in error)) return t('error.unknown');
  if (error.status === 429 && error.after) return t('error.wait', {n: error.after});
  // What colleagues changed meanwhile is said alike, whatever it is.
  const key = `error.${error.slug === 'changed' ? 'outdated' : error.slug}`;
  if (has(key)) return t(key, {...(error.problem || {})});
  return error.message || t('error.unknown');
}
