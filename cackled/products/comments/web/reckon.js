/* Numbers without nodes: how many comments there are, where a comment stands under "best", which is later. */

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {{rank: number, id: string, created?: string}} Edge */

/**
 * How many comments a channel has. An event tells the number at its seq; our own writes, answered before their events
 * come, are added until then. What is older than what is known changes nothing, so each may come twice, late, or not at
 * all.
 */
export class Tally {
  constructor() {
    this.number = 0;
    this.seq = -1;
    /** @type {{seq: number, by: number}[]} */
    this.owns = [];
  }
  /** @param {number} at */
  settle(at) {
    this.seq = at;
    this.owns = this.owns.filter(o => o.seq > at);
  }
  /**
   * The page was loaded anew: its number counts, also where the channel's numbers went back.
   * @param {number} number
   * @param {number} at
   */
  begin(number, at) {
    if (at < this.seq) this.owns = [];
    this.number = number;
    this.settle(at);
  }
  /**
   * There were `number` at `at`.
   * @param {number} number
   * @param {number} at
   */
  set(number, at) {
    if (at < this.seq) return;
    this.number = number;
    this.settle(at);
  }
  /**
   * An event of a server that doesn't tell the number.
   * @param {number} by
   * @param {number} at
   */
  move(by, at) {
    if (at <= this.seq) return;
    this.number += by;
    this.settle(at);
  }
  /**
   * A write of our own was done at `at`.
   * @param {number} by
   * @param {number} at
   */
  own(by, at) {
    if (at > this.seq && !this.owns.some(o => o.seq === at)) this.owns.push({seq: at, by});
  }
  value() {
    return Math.max(
      0,
      this.owns.reduce((sum, o) => sum + o.by, this.number),
    );
  }
}

// What a comment gains for each day that it is younger, and from when on days are counted.
const A_DAY = 0.01 / 864e5;
const SINCE = Date.UTC(2026, 0);

/**
 * As the database ranks (its `comment_rank`, a float of 32 bits): the lower end of Wilson's interval, and the age.
 * @param {{up: number, down: number, created?: string}} c
 */
export function voteRank(c) {
  const n = c.up + c.down + 2;
  const p = (c.up + 1) / n;
  const low = (p + 0.5 / n - Math.sqrt((p * (1 - p)) / n + 0.25 / (n * n))) / (1 + 1 / n);
  return Math.fround(low + A_DAY * (c.created ? Date.parse(c.created) - SINCE : 0));
}

/**
 * Above 0 where id `a` is later than `b`: decimals too long for a number.
 * @param {string} a
 * @param {string} b
 */
export const laterId = (a, b) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

/**
 * Whether a comment stands above an edge: before it in the order "best". An event that tells of votes does not say how
 * old the comment is: then it is taken for as old as the edge, and what was wrongly looked for is not found.
 * @param {{id: string, up: number, down: number, created?: string}} c
 * @param {Edge} edge
 */
export const isAbove = (c, edge) =>
  (voteRank({up: c.up, down: c.down, created: c.created || edge.created}) - edge.rank || laterId(c.id, edge.id)) > 0;

/**
 * @param {Comment[]} comments
 * @returns {number} with their replies
 */
export const countAll = comments => comments.reduce((sum, c) => sum + 1 + countAll(c.replies || []), 0);

/**
 * Whether an order goes by when comments were written: then each has its place among those that are loaded.
 * @param {string} sort
 */
export const isByTime = sort => sort === 'new' || sort === 'old';
