// Who is at which item: taken while one looks at it, prolonged as long as one does, let go of when one leaves.
import {put, remove} from '../api.js';

/** Seconds that a claim holds without being prolonged. */
const SECONDS = 120;
/** Seconds until the next try where the server did not answer, or could not. */
const AGAIN = 5;

export class Claims {
  /**
   * @param {string} site
   * @param {(error: any) => void} refused a colleague is at it
   */
  constructor(site, refused) {
    this.site = site;
    this.refused = refused;
    /** The item that is ours. */
    this.item = '';
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.timer = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.soon = undefined;
    this.leave = () => this.release(true);
    /** What was asked for last: calls about claims reach the server in the order in which they were made. */
    this.last = /** @type {Promise<any>} */ (Promise.resolve());
  }

  /** Make a call after those before it. @param {() => Promise<any>} call */
  after(call) {
    const made = this.last.then(call);
    this.last = made.catch(() => {});
    return made;
  }

  /** @param {string} item */
  path(item) {
    return `/sites/${this.site}/moderation/items/${item}/claim`;
  }

  /** Take *item*; whatever was taken before is let go of. @param {string} item */
  async take(item) {
    if (this.item === item) return;
    this.release();
    this.item = item;
    addEventListener('pagehide', this.leave);
    this.timer = setInterval(() => this.renew(), (SECONDS * 1000) / 2);
    await this.renew();
  }

  /** Say that one is at it still. */
  async renew() {
    const {item} = this;
    clearTimeout(this.soon);
    try {
      await this.after(async () => this.item === item && put(this.path(item), {seconds: SECONDS}));
    } catch (error) {
      if (this.item !== item) return;
      const {status, slug, after} = /** @type {any} */ (error);
      if (status >= 400 && status < 500 && status !== 429) {
        this.forget();
        if (slug === 'claimed') this.refused(error);
        return;
      }
      // It may be ours or not: colleagues should not have to wait for the next prolongation to see it.
      this.soon = setTimeout(() => this.renew(), Math.max(AGAIN, after || 0) * 1000);
    }
  }

  forget() {
    this.item = '';
    clearInterval(this.timer);
    clearTimeout(this.soon);
    removeEventListener('pagehide', this.leave);
  }

  /** Let go of it. @param {boolean} [leaving] the page is going away */
  release(leaving = false) {
    if (!this.item) return;
    const path = this.path(this.item);
    this.forget();
    if (leaving) {
      fetch(`/api/v1${path}`, {method: 'DELETE', headers: {'x-cackled-panel': '1'}, keepalive: true}).catch(() => {});
    } else {
      // Decided on by now, or gone: it runs out by itself.
      this.after(() => remove(path)).catch(() => {});
    }
  }
}
