/* What the widget knows of the reviews of a page, without a node: those that stand there and those that wait to be shown,
   the figures, what is asked for, what is the visitor's own; and what events and answers make of it. */

/**
 * @typedef {object} Reply the owner's answer
 * @property {string} html
 * @property {string} name
 * @property {string} created
 * @property {string | null} edited
 * @typedef {object} Review as the API has it
 * @property {string} id
 * @property {'review' | 'question' | 'answer'} kind
 * @property {string | null} parent
 * @property {{id: string, name: string, avatar: string | null, badges?: string[]} | null} author
 * @property {number | null} star
 * @property {string} title
 * @property {string} pros
 * @property {string} cons
 * @property {string} html
 * @property {boolean | null} recommend
 * @property {Record<string, number>} criteria
 * @property {Record<string, string>} attributes
 * @property {string} variant
 * @property {{url: string, alt: string, link?: string}[]} media
 * @property {{url: string, title: string}[]} [videos] their titles
 * @property {string | null} experienced
 * @property {string} created
 * @property {string | null} edited
 * @property {number} up
 * @property {number} down
 * @property {'order' | 'source' | null} verified
 * @property {string | null} source
 * @property {boolean} incentivized
 * @property {boolean} staff
 * @property {boolean} [featured]
 * @property {Reply | null} reply
 * @property {Review[]} [answers]
 * @property {number} [more]
 * @property {boolean} [deleted]
 * @property {string} [state] of one's own that others don't see
 * @property {string} [text] what its author wrote
 * @property {string} [reason] why it was hidden
 * @property {any} [revision] what waits to take its place
 * @typedef {Pick<Review, 'star' | 'title' | 'pros' | 'cons' | 'html' | 'recommend' | 'criteria' | 'attributes' | 'variant'>} Said
 * @typedef {object} Summary
 * @property {number} count
 * @property {number | null} average
 * @property {number[]} histogram
 * @property {number} recommend
 * @property {number} recommend_of
 * @property {Record<string, {average: number, count: number}>} criteria
 * @property {number} with_media
 * @property {number} questions
 * @typedef {{type: string, seq: number, data: any}} Message
 */

export const SORTS = /** @type {const} */ (['helpful', 'new', 'high', 'low', 'media']);
/** @type {Summary} */
const NOTHING = {
  count: 0,
  average: null,
  histogram: [0, 0, 0, 0, 0],
  recommend: 0,
  recommend_of: 0,
  criteria: {},
  with_media: 0,
  questions: 0,
};

/** The number within a position, `site/channel@seq`. @param {any} data */
export const seqOf = data => +String(data.position).split('@')[1] || 0;

export class Store {
  constructor() {
    /** @type {Map<string, Review>} that stand there, in order */
    this.shown = new Map();
    /** @type {Map<string, Review>} that came since, and stand nowhere yet */
    this.waiting = new Map();
    /** @type {Map<string, Review>} the visitor's own, those too that others don't see */
    this.own = new Map();
    /** @type {Record<string, number>} the visitor's votes */
    this.votes = {};
    /** @type {Set<string>} authors that the visitor doesn't want to read */
    this.blocked = new Set();
    this.summary = NOTHING;
    this.seq = 0;
    /** up to which the figures are known */
    this.counted = 0;
    /** @type {string | null} */
    this.cursor = null;
    /** What is asked for. */
    this.sort = 'helpful';
    /** @type {number[]} */
    this.stars = [];
    this.words = '';
    /** @type {Record<string, number>} the event that a review's votes are from */
    this.voted = {};
  }

  /** Whether less than all is asked for. */
  get narrowed() {
    return this.stars.length > 0 || this.words !== '' || this.sort === 'media';
  }

  /** The query of a page. @param {string | null} [cursor] */
  query(cursor) {
    /** @type {[string, string][]} */
    const query = [['sort', this.sort]];
    this.stars.forEach(star => query.push(['star', '' + star]));
    if (this.words) query.push(['q', this.words]);
    if (this.sort === 'media') query.push(['media', '1']);
    if (cursor) query.push(['cursor', cursor]);
    return query;
  }

  /**
   * A first page, in place of what was known.
   * @param {any} data
   */
  begin(data) {
    const seq = seqOf(data);
    this.seq = Math.max(this.seq, seq);
    this.shown.clear();
    this.waiting.clear();
    this.voted = {};
    this.append(data.page);
    if (seq >= this.counted) this.count(data.summary, seq);
    const me = data.me;
    if (!me) return;
    this.votes = {...me.votes};
    this.blocked = new Set(me.blocked);
    this.own = new Map((me.own || []).map((/** @type {Review} */ one) => [one.id, one]));
  }

  /**
   * @param {{reviews: Review[], cursor: string | null}} page
   * @returns {Review[]} those that were not there
   */
  append(page) {
    const fresh = page.reviews.filter(one => !this.shown.has(one.id));
    fresh.forEach(one => {
      this.shown.set(one.id, one);
      this.waiting.delete(one.id);
    });
    this.cursor = page.cursor;
    return fresh;
  }

  /**
   * @param {Summary | undefined} summary
   * @param {number} seq
   */
  count(summary, seq) {
    if (!summary || seq < this.counted) return;
    this.summary = summary;
    this.counted = seq;
  }

  /** The visitor's review of this page, if there is one. @returns {Review | undefined} */
  get mine() {
    return [...this.own.values()].find(one => one.kind === 'review' && !one.deleted);
  }

  /** The visitor's own that nobody else sees. @returns {Review[]} */
  get pending() {
    return [...this.own.values()].filter(one => one.kind === 'review' && one.state && !one.deleted);
  }

  /** Whether a review belongs to what is asked for; of words only the server knows. @param {Review} review */
  fits(review) {
    return (
      !this.words &&
      (!this.stars.length || this.stars.includes(review.star || 0)) &&
      (this.sort !== 'media' || review.media.length > 0)
    );
  }

  /**
   * What an event means: 'new' (it waits to be shown), 'changed', 'gone', 'voted', 'counted', or nothing for the list; of
   * questions and answers 'question'.
   * @param {Message} m
   * @returns {'new' | 'changed' | 'gone' | 'voted' | 'counted' | 'question' | ''}
   */
  take({type, seq, data}) {
    if (seq <= this.seq) return '';
    this.seq = seq;
    this.count(data.summary, seq);
    if (type === 'summary.updated') return 'counted';
    if (type === 'review.voted') return this.vote(data, seq) ? 'voted' : '';
    if (type === 'review.deleted') return this.drop(data.id) ? 'gone' : 'counted';
    const review = /** @type {Review | undefined} */ (data.review);
    if (!review) return '';
    if (review.kind !== 'review') return 'question';
    return this.put(review);
  }

  /** @param {Review} review @returns {'new' | 'changed' | 'counted'} */
  put(review) {
    const own = this.own.get(review.id);
    // What its author alone saw of it is over, or stays: the next reading tells.
    if (own && !review.state) this.own.set(review.id, {...own, ...review, state: undefined, reason: undefined});
    const known = this.shown.get(review.id);
    const waits = this.waiting.get(review.id);
    if (known) {
      this.shown.set(review.id, {...known, ...review});
      return 'changed';
    }
    if (waits) {
      this.waiting.set(review.id, review);
      return 'new';
    }
    if (!this.fits(review) || (review.author && this.blocked.has(review.author.id))) return 'counted';
    this.waiting.set(review.id, review);
    return 'new';
  }

  /** @param {string} id @returns {boolean} whether it stood, or waited, there */
  drop(id) {
    const own = this.own.get(id);
    // One's own that was hidden stays one's own; whether it is, the next reading tells.
    if (own && !own.state) this.own.delete(id);
    return [this.shown.delete(id), this.waiting.delete(id)].some(one => one);
  }

  /**
   * @param {{id: string, up: number, down: number}} data
   * @param {number} seq
   */
  vote({id, up, down}, seq) {
    const review = this.shown.get(id) || this.waiting.get(id);
    if (!review || seq < (this.voted[id] || 0)) return false;
    this.voted[id] = seq;
    Object.assign(review, {up, down});
    return true;
  }

  /**
   * The visitor's own, as the server has it after writing.
   * @param {any} data
   * @returns {Review}
   */
  wrote(data) {
    /** @type {Review} */
    const review = data.review;
    const seq = seqOf(data);
    this.own.set(review.id, review);
    this.count(data.summary, seq);
    // Others see it too.
    if (!review.state && review.kind === 'review') {
      this.waiting.delete(review.id);
      const known = this.shown.get(review.id);
      if (known) this.shown.set(review.id, review);
      else this.shown = new Map([[review.id, review], ...this.shown]);
    }
    return review;
  }

  /** What has waited stands now above all others. @returns {Review[]} */
  flush() {
    const fresh = [...this.waiting.values()].reverse();
    this.shown = new Map([...fresh.map(one => /** @type {[string, Review]} */ ([one.id, one])), ...this.shown]);
    this.waiting.clear();
    return fresh;
  }
}

/**
 * A number of stars as a share of all, for a bar.
 * @param {Summary} summary
 * @param {number} star
 */
export const share = (summary, star) => (summary.count ? summary.histogram[star - 1] / summary.count : 0);

/** Lines of pros or cons. @param {string} text */
export const lines = text =>
  text
    .split('\n')
    .map(one => one.replace(/^\s*[-+*•–]\s*/, '').trim())
    .filter(one => one);
