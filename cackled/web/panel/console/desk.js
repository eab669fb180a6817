// My desk: whether I take chats and how many, and the beat that says that I am there and what I look at.
import {get, post, put} from '../api.js';
import {signal} from '../libraries.js';

/** What all tabs of mine look at: the one that was looked at last. */
const VIEWING = 'cackled-chat:viewing:';
/** @typedef {{state: 'online' | 'away' | 'invisible', capacity: number, departments: string[], languages: string[],}} State */

/** Milliseconds between two beats; without one for 60 s the server gives my chats back to the queue. */
export const BEAT = 25_000;
const SOON = 5_000;

export class Desk {
  /** @param {string} site @param {{behind?: (seq: number) => void, renew?: (ticket?: string) => void}} [parts] */
  constructor(site, {behind = () => {}, renew = () => {}} = {}) {
    this.renew = renew;
    this.site = site;
    this.behind = behind;
    this.state = signal(/** @type {State | null} */ (null));
    this.colleagues = signal(/** @type {any[]} */ ([]));
    /** Whether the site has a translator. */
    this.translate = signal(false);
    /** The server has not heard of me: what it does with my chats is told. */
    this.lost = signal(false);
    /** Why I am no operator here any more. */
    this.error = signal(/** @type {any} */ (null));
    this.viewing = /** @type {string | null} */ (null);
    this.closed = false;
    this.looked = () => this.share();
    for (const name of ['focus', 'pagehide']) globalThis.addEventListener?.(name, this.looked);
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** @param {any} found */
  take(found) {
    this.state.value = {...this.state.peek(), ...(found.me || found)};
    if (found.colleagues) this.colleagues.value = found.colleagues;
    if (found.me) this.translate.value = found.translate;
  }

  async start() {
    await this.load();
    await this.beat();
  }

  async load() {
    try {
      this.take(await get(`/sites/${this.site}/chats/desk`));
      this.error.value = null;
    } catch (error) {
      this.error.value = error;
    }
  }

  /** @param {Partial<State>} part */
  async set(part) {
    this.take(await put(`/sites/${this.site}/chats/desk`, part));
  }

  /** Say what is looked at; colleagues see it. @param {string | null} chat */
  look(chat) {
    if (chat === this.viewing) return;
    this.viewing = chat;
    this.share();
    this.beat();
  }

  /** Tell the other tabs what is looked at here. */
  share() {
    try {
      localStorage.setItem(VIEWING + this.site, this.viewing || '');
    } catch {
      // Each tab tells its own then.
    }
  }

  /** What the tab that was looked at last has open. @returns {string | null} */
  shared() {
    try {
      const found = localStorage.getItem(VIEWING + this.site);
      return found === null ? this.viewing : found || null;
    } catch {
      return this.viewing;
    }
  }

  /** One beat; the next follows. */
  async beat() {
    clearTimeout(this.timer);
    if (this.closed) return;
    let next = BEAT;
    try {
      const told = await post(`/sites/${this.site}/chats/desk/beat`, {viewing: this.shared()});
      this.lost.value = false;
      this.error.value = null;
      if (told && typeof told.seq === 'number') this.behind(told.seq);
      this.renew(told?.token);
      if (told?.state && told.state !== this.state.peek()?.state) this.take({state: told.state});
    } catch (error) {
      const status = /** @type {any} */ (error).status;
      if (status === 403 || status === 401 || status === 404) this.error.value = error;
      else {
        this.lost.value = true;
        next = SOON;
      }
    }
    clearTimeout(this.timer);
    if (!this.closed) this.timer = setTimeout(() => this.beat(), next);
  }

  close() {
    this.closed = true;
    for (const name of ['focus', 'pagehide']) globalThis.removeEventListener?.(name, this.looked);
    clearTimeout(this.timer);
  }
}
