/* What was sent and is not acknowledged yet: kept in the tab through a reload, each with one idempotency key, so that it
   can be sent again without harm. */
import {tabStorage} from './storage.js';

// Milliseconds after which nobody waits for it any more.
const OLD = 864e5;

export class Unsent {
  /** @param {() => string} key under which they are stored */
  constructor(key) {
    this.key = key;
  }
  /** @param {unknown[]} entries all there are */
  keep(entries) {
    tabStorage.set(this.key(), entries);
  }
  /** @returns {any[]} those of before, whatever was stored there, and by whom */
  stored() {
    const entries = tabStorage.get(this.key());
    return (Array.isArray(entries) ? entries : []).filter(
      entry => entry && entry.key && typeof entry.text === 'string' && Date.now() - entry.at < OLD,
    );
  }
}
