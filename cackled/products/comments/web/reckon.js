/* Numbers without nodes: how many comments there are, which is later. Where one stands under "best": rank.js. */

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

/**
 * Above 0 where id `a` is later than `b`: decimals too long for a number.
 * @param {string} a
 * @param {string} b
 */
export const laterId = (a, b) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);

/**
 * Whether an order goes by when comments were written: then each has its place among those that are loaded.
 * @param {string} sort
 */
export const isByTime = sort => sort === 'new' || sort === 'old';
