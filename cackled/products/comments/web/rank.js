/* Where a comment stands under "best". */
import {laterId} from './reckon.js';

/** @typedef {import('./store.js').Comment} Comment */
/** @typedef {import('./store.js').Edge} Edge */

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
 * Whether a comment stands above an edge: before it in the order "best". An event that tells of votes does not say how
 * old the comment is: then it is taken for as old as the edge, and what was wrongly looked for is not found.
 * @param {{id: string, up: number, down: number, created?: string}} c
 * @param {Edge} edge
 */
export const isAbove = (c, edge) =>
  (voteRank({up: c.up, down: c.down, created: c.created || edge.created}) - voteRank(edge) || laterId(c.id, edge.id)) >
  0;

/**
 * @param {Comment[]} comments
 * @returns {number} with their replies
 */
export const countAll = comments => comments.reduce((sum, c) => sum + 1 + countAll(c.replies || []), 0);
