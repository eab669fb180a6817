/* What the reader has seen and heard, beside the conversation itself. */

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Item} Item */

/** What the reader has seen and heard. */
export class Reader {
  constructor() {
    /** @type {Set<Item>} that came below the window's edge */
    this.unseen = new Set();
    /** @type {IntersectionObserver | null} */
    this.eye = null;
    /** @type {Item | null} one's own, far below */
    this.own = null;
    /** @type {Comment[]} that were not announced yet */
    this.unsaid = [];
    /** @type {Record<string, number>} who types, until when */
    this.writers = {};
    /** When we said last that we do. */
    this.told = 0;
  }
}
