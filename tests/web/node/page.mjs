// A page without a browser: what modules of the browser side ask of it when they are loaded. Import this before them.
import {mock} from 'node:test';

/** Storage as browsers have it; `full`: nothing can be written, `forbidden`: nothing at all. */
class Store {
  /** @type {Map<string, string>} */
  kept = new Map();
  full = false;
  forbidden = false;
  /** @param {string} key */
  getItem(key) {
    if (this.forbidden) throw new Error('forbidden');
    return this.kept.get(key) ?? null;
  }
  /** @param {string} key @param {unknown} value */
  setItem(key, value) {
    if (this.full || this.forbidden) throw new Error('full');
    this.kept.set(key, String(value));
  }
  /** @param {string} key */
  removeItem(key) {
    if (this.forbidden) throw new Error('forbidden');
    this.kept.delete(key);
  }
}

export const local = new Store();
export const tab = new Store();
/** Handlers of the page's own events, by type. @type {Record<string, Function[]>} */
export const handlers = {};
/** @param {string} type @param {Function} f */
const listen = (type, f) => (handlers[type] ??= []).push(f);

/** The servers, the one in use first. */
export const hosts = ['https://a.example'];
export const page = {
  hidden: false,
  baseURI: 'https://page.example/path',
  addEventListener: listen,
  querySelector: () => null,
};

const loader = {
  Promise,
  config: {servers: [{}]},
  origin: 'https://a.example',
  locales: {en: {problems: {}}},
  /** @param {unknown} value */
  text: value =>
    /[rg]/.test(typeof value)
      ? String(value)
          .trim()
          .replace(/\p{Cs}/gu, '\ufffd')
      : '',
  /** @param {string} key */
  load: key => {
    try {
      return JSON.parse(/** @type {string} */ (local.getItem('cackle:' + key)));
    } catch {
      return null;
    }
  },
  base: () => hosts[0],
  /** @param {string} url */
  move: url => hosts.unshift(url),
  /** @param {string} base */
  fail: base => base === hosts[0] && hosts.push(/** @type {string} */ (hosts.shift())),
  /** @param {string} path @param {any} options */
  get: (path, options) => globalThis.fetch(hosts[0] + path, options),
};

Object.assign(globalThis, {
  window: globalThis,
  Cackle: loader,
  localStorage: local,
  sessionStorage: tab,
  document: page,
  location: {href: 'https://page.example/path', protocol: 'https:'},
  addEventListener: listen,
});

/** What the loader gives. @type {any} */
export const Cackle = loader;

/** An answer as fetch gives it. @param {number} status @param {unknown} [body] @param {Record<string, string>} [headers] */
export const answer = (status, body, headers = {}) => ({
  ok: status < 400,
  status,
  headers: new Headers(headers),
  text: async () => (typeof body === 'string' ? body : body === undefined ? '' : JSON.stringify(body)),
  json: async () => body,
});

/** Lets everything run that waits for nothing. */
export async function settle() {
  for (let n = 0; n < 30; n++) await Promise.resolve();
}

/** Times go by when a test says so. @param {number} now */
export function stopClocks(now) {
  mock.timers.enable({apis: ['setTimeout', 'setInterval', 'Date'], now});
}

/** Lets *ms* go by, and what they start. @param {number} ms */
export async function pass(ms) {
  await settle();
  mock.timers.tick(ms);
  await settle();
}
