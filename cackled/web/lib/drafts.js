/* What somebody types is stored while they do, and survives a reload and a failure. */
import {loader} from './loader.js';
import {save} from './storage.js';

// Milliseconds after the last key.
const PAUSE = 250;

export class Draft {
  /**
   * @param {string} key under which it is stored
   * @param {() => string} read gives the words as they are now, '' where there is nothing to keep
   */
  constructor(key, read) {
    this.key = key;
    this.read = read;
    /** @type {number | undefined} */
    this.timer = undefined;
  }
  /** @returns {string} the words that were stored */
  get stored() {
    const kept = loader.load(this.key);
    return typeof kept === 'string' ? kept : '';
  }
  /** Something was typed. */
  touch() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.keep(), PAUSE);
  }
  /** Stores the words now. */
  keep() {
    this.stop();
    save(this.key, this.read() || null);
  }
  /** Stores what was typed and is not stored yet. */
  flush() {
    if (this.timer) this.keep();
  }
  stop() {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
  /** They were sent, or thrown away. */
  drop() {
    this.stop();
    save(this.key, null);
  }
  /**
   * They are on their way: stored until the server has acknowledged them.
   * @param {string} text
   */
  send(text) {
    this.stop();
    save(this.key, text);
  }
}

/**
 * Forgets a stored draft, if it still has these words.
 * @param {string} key
 * @param {string} text
 */
export function forgetDraft(key, text) {
  if (loader.load(key) === text) save(key, null);
}
