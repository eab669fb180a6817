// The queue as one moderator sees it: items in order, what is chosen, what is under way. No nodes: tests run it alone.
import {batch, signal} from '../libraries.js';

/** @typedef {{mark: string, score?: number, words?: string[]}} Mark */
/** @typedef {{visitor: string, reason: string, at: string, made: number, agreed: number}} Report */
/**
 * @typedef {object} Item
 * @property {string} id
 * @property {number} version
 * @property {string} state
 * @property {string} product
 * @property {{id: string, name: string, address: string | null, avatar?: string}} author
 * @property {{channel: string, key: string, url: string, title: string, closed: boolean}} page
 * @property {string} text
 * @property {string} html
 * @property {string} created
 * @property {string | null} [edited]
 * @property {string | null} [parent]
 * @property {boolean} [shadow]
 * @property {boolean} [seen]
 * @property {boolean} [locked]
 * @property {boolean} [featured]
 * @property {boolean} [pinned]
 * @property {number} [replies]
 * @property {number} [flags]
 * @property {number} [up]
 * @property {number} [down]
 * @property {string | null} [revision]
 * @property {string | null} [revision_html]
 * @property {any} [facts] of a review: stars, pros, cons, what is known of its purchase
 * @property {Picture[]} [media] pictures, at addresses that open them for moderators
 * @property {Mark[]} [marks]
 * @property {Report[]} [reports]
 * @property {{by: string, name: string, until: string} | null} [claim]
 */
/** @typedef {import('./pictures.js').Picture} Picture */
/** @typedef {{item: string, reason: string, version: number, state: string, by: string, name: string, deed: string,
 *   at: string}} Collision */
/** @typedef {{id: string, done: string[], failed: Collision[], state: string, total: number}} Decision */

/** What the store asks of the server. @typedef {object} Calls
 * @property {(cursor: string) => Promise<{items: Item[], cursor: string | null}>} page
 * @property {(newest: string) => Promise<{count: number, more: boolean}>} count
 * @property {(action: string, items: string[], versions: Record<string, number>, why: string) => Promise<Decision>} act
 * @property {(id: string) => Promise<Decision>} undo
 */

/** The state that an action leads to; the others leave it. @type {Record<string, string>} */
export const LEADS_TO = {
  approve: 'approved',
  reject: 'rejected',
  spam: 'spam',
  delete: 'deleted',
  thread: 'deleted',
  childless: 'deleted',
  hold: 'pending',
};

/**
 * Whether an item of *state* that *action* was done to is still listed where *listed* is looked for.
 * @param {string} action
 * @param {string} listed
 */
export function stays(action, listed) {
  if (listed === 'all') return true;
  const to = LEADS_TO[action];
  if (action === 'seen') return listed !== 'unseen';
  if (action === 'unflag') return listed !== 'flagged';
  if (listed === 'unseen') return to === undefined;
  if (listed === 'flagged') return to === undefined;
  return to === undefined || to === listed;
}

/** Where items are looked for by their state alone. */
const BY_STATE = ['pending', 'approved', 'rejected', 'spam', 'deleted'];

/**
 * Nothing could be done: a refusal that says of each item why is a decision that did nothing.
 * @param {any} error
 * @returns {Decision}
 */
function refused(error) {
  const failed = error?.status === 409 && error.problem?.failed;
  if (!Array.isArray(failed)) throw error;
  return {id: '', done: [], failed, state: 'done', total: failed.length};
}

/** Pages that are looked at again where news may be missing. */
const MOST_PAGES = 4;

export class Queue {
  /**
   * @param {string} listed the state that is looked for
   * @param {Calls} calls
   */
  constructor(listed, calls) {
    this.listed = listed;
    this.calls = calls;
    /** @type {import('@preact/signals').Signal<Item[]>} */
    this.items = signal([]);
    this.cursor = signal(/** @type {string | null} */ (null));
    this.loading = signal(false);
    this.loaded = signal(false);
    this.error = signal(/** @type {any} */ (null));
    /** The item that keys are for. */
    this.current = signal('');
    this.chosen = signal(/** @type {Set<string>} */ (new Set()));
    /** Where a choice with shift begins. */
    this.anchor = '';
    this.newer = signal({count: 0, more: false});
    /** What colleagues decided while we looked: told for a moment where the item was. */
    this.told = signal(/** @type {{id: string, item: string, by: string, action: string}[]} */ ([]));
    /** Own decisions under way or done: news of them is no news. @type {Set<string>} */
    this.own = new Set();
    /** Items that an own call is about just now. @type {Set<string>} */
    this.busy = new Set();
    /** Items that something was heard of since they were looked at again. @type {Set<string>} */
    this.news = new Set();
    this.generation = 0;
    /** The look at what is listed that is under way, and whether another one is to follow. */
    this.looking = /** @type {Promise<void> | null} */ (null);
    this.lookAgain = false;
  }

  /** @param {string} id */
  get(id) {
    return this.items.value.find(one => one.id === id);
  }

  /** Load the first page, in place of all that is there. */
  async first() {
    this.generation++;
    batch(() => {
      this.newer.value = {count: 0, more: false};
      this.chosen.value = new Set();
      this.cursor.value = '';
    });
    await this.more(true);
  }

  /** Load what comes next. @param {boolean} [anew] */
  async more(anew = false) {
    if ((this.loading.value && !anew) || this.cursor.value === null) return;
    const generation = this.generation;
    this.loading.value = true;
    this.error.value = null;
    try {
      const page = await this.calls.page(this.cursor.value);
      if (generation !== this.generation) return;
      batch(() => {
        const old = anew ? [] : this.items.value;
        const known = new Set(old.map(one => one.id));
        this.items.value = [...old, ...page.items.filter(one => !known.has(one.id))];
        this.cursor.value = page.cursor;
        this.loaded.value = true;
        if (!this.get(this.current.value)) this.current.value = this.items.value[0]?.id || '';
      });
    } catch (error) {
      if (generation === this.generation) this.error.value = error;
    } finally {
      if (generation === this.generation) this.loading.value = false;
    }
  }

  /** News may be missing: look again at what is listed. News of many items are looked up at once, one look at a time. */
  refresh() {
    if (this.looking) this.lookAgain = true;
    else {
      this.looking = this.look().finally(() => {
        this.looking = null;
        if (!this.lookAgain) return;
        this.lookAgain = false;
        this.refresh();
      });
    }
    return this.looking;
  }

  /** Look at what is listed, as far as it is among the first pages. */
  async look() {
    const {generation} = this;
    this.news.clear();
    let cursor = /** @type {string | null} */ ('');
    let left = this.items.value.length;
    try {
      for (let n = 0; n < MOST_PAGES && cursor !== null && left > 0; n++) {
        const page = await this.calls.page(cursor);
        if (generation !== this.generation) return;
        batch(() => {
          for (const item of page.items) {
            const old = this.get(item.id);
            // What was heard or done meanwhile is newer than this answer: decisions count versions, claims do not.
            if (!old || this.busy.has(item.id) || item.version < old.version) continue;
            this.change(item.id, {...item, claim: (this.news.has(item.id) ? old.claim : item.claim) || null});
          }
        });
        left -= page.items.length;
        cursor = page.items.length ? page.cursor : null;
      }
    } catch {
      // What is listed stays as it is; who decides on something outdated is told so.
    }
  }

  /** Move by *step* items. @param {number} step */
  move(step) {
    const all = this.items.value;
    const at = all.findIndex(one => one.id === this.current.value);
    const next = all[Math.max(0, Math.min(all.length - 1, at + step))];
    if (next) this.current.value = next.id;
    if (at + step >= all.length - 5) this.more();
  }

  /**
   * Choose or unchoose an item; with *range* all from the last chosen one to it.
   * @param {string} id
   * @param {boolean} [range]
   */
  choose(id, range = false) {
    const chosen = new Set(this.chosen.value);
    const all = this.items.value.map(one => one.id);
    const from = all.indexOf(this.anchor);
    if (range && from >= 0) {
      const to = all.indexOf(id);
      for (const one of all.slice(Math.min(from, to), Math.max(from, to) + 1)) chosen.add(one);
    } else {
      if (!chosen.delete(id)) chosen.add(id);
      this.anchor = id;
    }
    this.chosen.value = chosen;
  }

  /** What an action is for: the chosen items, else the current one. */
  targets() {
    if (this.chosen.value.size) return this.items.value.filter(one => this.chosen.value.has(one.id)).map(one => one.id);
    return this.current.value ? [this.current.value] : [];
  }

  /** Take items out of the list; the next one becomes the current one. @param {Set<string>} gone */
  drop(gone) {
    const all = this.items.value;
    const at = all.findIndex(one => one.id === this.current.value);
    batch(() => {
      if (gone.has(this.current.value)) {
        const next =
          all.slice(at + 1).find(one => !gone.has(one.id)) ||
          all
            .slice(0, at)
            .reverse()
            .find(one => !gone.has(one.id));
        this.current.value = next ? next.id : '';
      }
      this.items.value = all.filter(one => !gone.has(one.id));
      if ([...gone].some(one => this.chosen.value.has(one))) {
        this.chosen.value = new Set([...this.chosen.value].filter(one => !gone.has(one)));
      }
    });
    if (this.items.value.length < 10) this.more();
  }

  /** @param {string} id @param {Partial<Item>} part */
  change(id, part) {
    this.items.value = this.items.value.map(one => (one.id === id ? {...one, ...part} : one));
  }

  /** Put items back where they were, by their place in *order*. @param {Item[]} back @param {string[]} order */
  restore(back, order) {
    const places = new Map(order.map((id, at) => [id, at]));
    const present = new Set(this.items.value.map(one => one.id));
    const all = [...this.items.value, ...back.filter(one => !present.has(one.id))];
    const last = order.length;
    this.items.value = all
      .map((one, at) => ({one, at: places.get(one.id) ?? last + at}))
      .sort((a, b) => a.at - b.at)
      .map(({one}) => one);
  }

  /**
   * Decide. What leaves the list leaves it at once and comes back where the server did not agree.
   * @param {string} action
   * @param {string[]} ids
   * @param {string} [why]
   * @returns {Promise<Decision>} throws what the call throws
   */
  async decide(action, ids, why = '') {
    const before = this.items.value;
    const order = before.map(one => one.id);
    const touched = before.filter(one => ids.includes(one.id));
    const versions = Object.fromEntries(touched.map(one => [one.id, one.version]));
    const at = this.current.value;
    for (const id of ids) this.busy.add(id);
    if (!stays(action, this.listed)) this.drop(new Set(ids));
    else if (LEADS_TO[action]) for (const id of ids) this.change(id, {state: LEADS_TO[action]});
    try {
      const made = await this.calls.act(action, ids, versions, why).catch(refused);
      this.own.add(made.id);
      const failed = new Map(made.failed.map(one => [one.item, one]));
      const back = touched.filter(one => failed.has(one.id) && this.lists(failed.get(one.id)));
      this.drop(new Set(made.failed.filter(one => !this.lists(one)).map(one => one.item)));
      // As they are now: also where they stayed in the list, as if it had been done.
      const now = back.map(one => ({
        ...one,
        version: failed.get(one.id)?.version ?? one.version,
        state: failed.get(one.id)?.state || one.state,
      }));
      this.restore(now, order);
      for (const one of now) this.change(one.id, one);
      for (const id of made.done) {
        const item = this.get(id);
        if (item) this.change(id, {version: item.version + 1, ...effect(action, item)});
      }
      return made;
    } catch (error) {
      this.restore(touched, order);
      for (const one of touched) this.change(one.id, one);
      this.current.value = at;
      throw error;
    } finally {
      for (const id of ids) this.busy.delete(id);
    }
  }

  /**
   * Whether an item that a colleague decided on first is still one of those that are looked for.
   * @param {Collision | undefined} one
   */
  lists(one) {
    if (!one || one.reason === 'gone') return false;
    return one.reason === 'replies' || !one.state || !BY_STATE.includes(this.listed) || one.state === this.listed;
  }

  /**
   * Something happened in the queue.
   * @param {{type: string, data: any}} event
   */
  heard({type, data}) {
    if (type === 'item.queued') return true;
    const item = this.get(data.item);
    this.news.add(data.item);
    if (type === 'item.claimed') {
      if (item)
        this.change(data.item, {claim: data.by ? {by: data.who || '', name: data.by, until: data.until || ''} : null});
      return false;
    }
    if (type !== 'item.decided' || this.own.has(data.decision) || this.busy.has(data.item))
      return type === 'item.decided';
    if (!item) return true;
    if (data.version !== undefined && data.version <= item.version) return false;
    // Its words are other ones than those that are listed; the event does not say them.
    if (data.action === 'edit' || data.action === 'undo') this.refresh();
    if (stays(data.action, this.listed) && data.action !== 'undo') {
      this.change(data.item, {
        version: data.version,
        state: data.state ?? item.state,
        claim: null,
        ...effect(data.action, item),
      });
    } else if (data.action === 'undo' && (this.listed === 'all' || data.state === this.listed)) {
      this.change(data.item, {version: data.version, state: data.state, claim: null});
    } else {
      this.told.value = [
        ...this.told.value.slice(-4),
        {id: `${data.decision}-${data.item}`, item: data.item, by: data.by, action: data.action},
      ];
      this.drop(new Set([data.item]));
    }
    return true;
  }

  /** Claims that have run out hold no more. @param {number} now milliseconds since 1970 */
  expire(now) {
    const over = this.items.value.filter(one => one.claim?.until && Date.parse(one.claim.until) <= now);
    for (const one of over) this.change(one.id, {claim: null});
  }

  /** Count what came since the first page was loaded. */
  async countNewer() {
    const newest = this.items.value[0]?.id || '';
    try {
      this.newer.value = await this.calls.count(newest);
    } catch {
      // The number is asked for again with the next event.
    }
  }
}

/** What of an item an action changes besides its state. @param {string} action @param {Item} item @returns {Partial<Item>} */
function effect(action, item) {
  /** @type {Record<string, Partial<Item>>} */
  const effects = {
    pin: {pinned: true},
    unpin: {pinned: false},
    feature: {featured: true},
    unfeature: {featured: false},
    incentivize: {facts: {...item.facts, incentivized: true}},
    unincentivize: {facts: {...item.facts, incentivized: false}},
    lock: {locked: true},
    unlock: {locked: false},
    seen: {seen: true},
    unflag: {flags: 0, reports: []},
  };
  return effects[action] || (LEADS_TO[action] ? {seen: true} : {});
}
