/* The pictures beside a text, without a page: which there are, what became of each, and whether the text can be sent. */

/** @typedef {'sending' | 'failed' | 'refused' | 'done'} State */
/**
 * What the server has of a picture.
 * @typedef {object} Kept
 * @property {string} id
 * @property {string} src below the server
 * @property {string} color
 * @property {string} alt
 * @property {string} [name] of what is no picture
 */
/**
 * @typedef {object} Picture
 * @property {number} key
 * @property {Blob | null} blob nothing once it is there
 * @property {State} state
 * @property {number} share of it that is sent, 0 to 1
 * @property {string} why it is not there
 * @property {string} alt
 * @property {Kept | null} kept
 * @property {AbortController} stop ends its sending
 */

let keys = 0;

/** Pictures in the order in which they were added. */
export class PictureList {
  /**
   * @param {number} most how many
   * @param {(blob: Blob, progress: (share: number) => void, signal: AbortSignal) => Promise<Kept>} send
   * @param {(error: any) => {why: string, again: boolean}} judge what to say of a failure, and whether sending again may help
   * @param {() => void} changed
   */
  constructor(most, send, judge, changed) {
    /** @type {Picture[]} */
    this.all = [];
    this.most = most;
    this.send = send;
    this.judge = judge;
    this.changed = changed;
  }

  /** How many more there may be. */
  get room() {
    return this.most - this.all.length;
  }

  /** Whether the text has to wait: a picture is on its way, or was not taken. */
  get unsettled() {
    return this.all.some(one => one.state !== 'done');
  }

  /** The ids of those that are there. */
  get ids() {
    return this.kept.map(one => one.id);
  }

  /** What a draft keeps. */
  get kept() {
    return this.all.flatMap(one => (one.kept ? [{...one.kept, alt: one.alt}] : []));
  }

  /**
   * Add pictures, as many as there is room for; they are sent at once.
   * @param {Blob[]} blobs
   * @returns {Picture[]} those that were added
   */
  add(blobs) {
    const added = blobs.slice(0, Math.max(0, this.room)).map(blob => {
      keys++;
      return /** @type {Picture} */ ({
        key: keys,
        blob,
        state: 'sending',
        share: 0,
        why: '',
        alt: '',
        kept: null,
        stop: new AbortController(),
      });
    });
    this.all.push(...added);
    added.forEach(one => this.again(one));
    return added;
  }

  /**
   * Those of a draft, or of what is edited.
   * @param {Kept[]} kept
   */
  restore(kept) {
    kept.slice(0, Math.max(0, this.room)).forEach(one => {
      keys++;
      this.all.push({
        key: keys,
        blob: null,
        state: 'done',
        share: 1,
        why: '',
        alt: one.alt,
        kept: one,
        stop: new AbortController(),
      });
    });
    this.changed();
  }

  /**
   * Send one, for the first time or once more.
   * @param {Picture} one
   * @returns {Promise<void>}
   */
  async again(one) {
    const {blob} = one;
    if (!blob) return;
    Object.assign(one, {state: 'sending', share: 0, why: ''});
    this.changed();
    try {
      const progress = (/** @type {number} */ share) => {
        one.share = share;
        this.changed();
      };
      one.kept = await this.send(blob, progress, one.stop.signal);
      one.blob = null;
      one.state = 'done';
    } catch (error) {
      const {why, again} = this.judge(error);
      Object.assign(one, {why, state: again ? 'failed' : 'refused'});
    }
    this.changed();
  }

  /**
   * One less; what is under way is sent no more.
   * @param {Picture} one
   */
  remove(one) {
    one.stop.abort();
    this.all = this.all.filter(other => other !== one);
    this.changed();
  }

  /** The text is sent, and they with it. */
  clear() {
    this.all = [];
    this.changed();
  }
}
