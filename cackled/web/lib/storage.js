/* The visitor's things in the browser. Storage may be forbidden or full: then nothing is remembered. */
import {loader} from './loader.js';
import {asObject, toJson} from './values.js';

/**
 * Stores a value for all tabs; nothing, or an empty value, removes it. `loader.load` reads it.
 * @param {string} key
 * @param {unknown} value
 */
export function save(key, value) {
  try {
    if (value) localStorage.setItem('cackle:' + key, toJson(value));
    else localStorage.removeItem('cackle:' + key);
  } catch {
    // Not kept.
  }
}

/** Storage of one tab, which survives a reload. */
export const tabStorage = {
  /**
   * @param {string} key
   * @returns {any}
   */
  get: key => {
    try {
      return JSON.parse(/** @type {string} */ (sessionStorage.getItem('cackle:' + key)));
    } catch {
      return null;
    }
  },
  /**
   * @param {string} key
   * @param {unknown} value
   */
  set: (key, value) => {
    try {
      sessionStorage.setItem('cackle:' + key, toJson(value));
    } catch {
      // Not kept.
    }
  },
};

/** The server that was used is used for an hour, then drawn anew. */
export function keepServer() {
  const kept = asObject(loader.load('server'));
  if (kept.url !== loader.base()) save('server', {url: loader.base(), until: Date.now() + 36e5});
  else if (!(kept.until > Date.now())) save('server', null);
}
keepServer();
addEventListener('pagehide', keepServer);
