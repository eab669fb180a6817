/* The browser's fetch, and what a call that came to nothing is told by. */

/**
 * A page's own fetch may give, or throw, what it likes; this promises as the browser does.
 * @param {string} url
 * @param {RequestInit} [options]
 */
export const ownFetch = async (url, options) => fetch(url, options);

/** A refused or failed call. */
export class Refused {
  /**
   * @param {number} status 0: the server wasn't reached
   * @param {Record<string, any>} [problem] what the server said (RFC 9457)
   * @param {number} [retry] seconds, when the server gave them
   */
  constructor(status, problem, retry) {
    this.status = status;
    this.problem = problem || {};
    this.retry = retry;
  }
}
