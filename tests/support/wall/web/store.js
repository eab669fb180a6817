/* What is on a wall, without a node. Events may come twice. */

/** @typedef {{id: string, words: string, author: {name: string} | null}} Reaction */

export class Store {
  constructor() {
    /** @type {Map<string, Reaction>} the newest last */
    this.reactions = new Map();
  }
  /** @param {Reaction[]} reactions the newest first */
  begin(reactions) {
    this.reactions = new Map([...reactions].reverse().map(one => [one.id, one]));
  }
  /** @param {Reaction} reaction */
  put(reaction) {
    this.reactions.set(reaction.id, reaction);
  }
}
