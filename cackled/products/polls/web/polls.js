/* The poll widget: what it knows, sends and hears; draw.js draws it. */
import {ranking} from './ballot.js';
import {draw} from './draw.js';
import {subscribe} from '../../../web/lib/live.js';
import {reason} from '../../../web/lib/reasons.js';
import {register, Widget} from '../../../web/lib/widget.js';

/** @typedef {import('./ballot.js').Poll} Poll */
/** @typedef {import('./ballot.js').Me} Me */

let count = 0;

/**
 * Whether it can be drawn without what few polls need.
 * @param {Poll} poll
 */
const isPlain = ({max, write_in, voters_shown, opens_at, closes_at, identity}) =>
  max < 2 && !write_in && !voters_shown && !opens_at && !closes_at && identity === 'session';

export class PollWidget extends Widget {
  /**
   * @param {string} name
   * @param {import('../../../web/lib/loader.js').Mounted} mounted
   */
  constructor(name, mounted) {
    super(name, mounted, 'polls');
    this.root = 'mcp-root';
    /** What the inputs of this poll are called. */
    this.id = 'mcp' + ++count;
    /** @type {Poll} */
    this.poll = /** @type {any} */ (null);
    /** @type {Me | null} */
    this.me = null;
    /** @type {string[]} what is chosen in the form, in order */
    this.chosen = [];
    this.seq = 0;
    this.busy = false;
    this.error = '';
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {import('../../../web/lib/live.js').Subscription | null} */
    this.sub = null;
    /** @type {typeof import('./more.js') | null} */
    this.more = null;
  }

  /**
   * @override
   * @param {any} data
   */
  render(data) {
    if (this.more || isPlain(data.poll)) return this.begin(data);
    this.needMore().then(
      () => this.closed || this.begin(data),
      () => this.failed({}),
    );
  }

  /** What few polls need. */
  async needMore() {
    return (this.more = this.more || (await import('./more.js')));
  }

  /** @param {any} data */
  begin(data) {
    this.take(data);
    this.chosen = this.me ? [...this.me.options] : [];
    this.draw();
    const reload = () => this.reload();
    this.sub = subscribe(
      data.position,
      {event: m => this.event(m), status: () => {}, reset: reload, renew: this.session.renew},
      this.session.grant(),
    );
  }

  /**
   * @override
   * @param {any} problem
   */
  invite(problem) {
    this.needMore().then(
      more => more.invite(this, problem),
      () => this.failed({}),
    );
  }

  /** @override */
  close() {
    if (this.sub) this.sub.close();
    clearTimeout(this.timer);
    super.close();
  }

  draw() {
    draw(this);
    this.node.style.minHeight = '';
  }

  /** @param {any} answer */
  take(answer) {
    this.poll = answer.poll;
    // One that is a picture alone is called by its place.
    this.poll.options.forEach((one, at) => {
      if (one.image || one.video) one.text ||= this.t('pollOption', {n: at + 1});
    });
    this.me = answer.me || this.me;
    this.seq = Math.max(this.seq, +answer.position.split('@')[1]);
  }

  /** Gives the number of the channel that is shown then. */
  async reload() {
    try {
      const mine = this.session.visitor() ? {mine: true} : {};
      const answer = await this.ask('GET', '?readPreference=nearest&after=' + this.seq, mine);
      this.me = null;
      this.take(answer);
      // It may have become one that needs more.
      if (!isPlain(this.poll)) await this.needMore();
      this.draw();
    } catch {
      // The next event asks again.
    }
    return this.seq;
  }

  /** @param {import('../../../web/lib/live.js').Message} message */
  event(message) {
    const m = /** @type {any} */ (message);
    const {me, poll} = this;
    if (m.seq <= this.seq || !/^poll/.test(m.type)) return;
    this.seq = m.seq;
    if (m.type === 'poll.voted' && m.data.voters !== null) {
      poll.voters = m.data.voters;
      m.data.options.forEach((/** @type {any} */ one) => {
        const known = poll.options.find(option => option.id === one.id);
        if (known) known.votes = one.votes;
      });
      if (me && me.results) me.results = m.data;
      this.draw();
      if (poll.kind !== 'ranked') return;
    } else if (m.type === 'poll.voted' && !(me && me.options.length)) return;
    // Many who look at one poll don't ask all at once.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.reload(), Math.random() * 2000);
  }

  /**
   * A call about this poll.
   * @param {string} method
   * @param {string} path
   * @param {import('../../../web/lib/session.js').CallOptions} [options]
   */
  ask(method, path, options) {
    return this.api(method, '/polls/' + this.poll.id + path, options);
  }

  /**
   * @param {string} method
   * @param {string} [path]
   * @param {unknown} [body]
   */
  async send(method, path = '/vote', body) {
    if (this.busy) return;
    this.busy = true;
    this.error = '';
    this.draw();
    try {
      const answer = await this.ask(method, path, {body});
      if (answer.me) {
        this.me = answer.me;
        this.chosen = [...answer.me.options];
      } else {
        this.error = this.t('pollProposed');
        /** @type {any} */ (this.more).proposed(this);
      }
    } catch (failed) {
      this.error = reason(this.t, /** @type {any} */ (failed));
    }
    this.busy = false;
    if (this.closed) return;
    this.draw();
    if (this.poll.kind === 'ranked' || (this.poll.removed || 0) > 0) this.reload();
  }

  /**
   * @param {string} id
   * @param {boolean} on
   */
  choose(id, on) {
    const rest = this.poll.max > 1 ? this.chosen.filter(one => one !== id) : [];
    this.chosen = on ? [...rest, id] : rest;
    this.draw();
  }

  /**
   * @param {string} id
   * @param {number} by
   */
  move(id, by) {
    this.chosen = ranking(this.chosen, id, by);
    this.draw();
    const again = this.node.querySelector('[data-option="' + id + '"] .mcp-up');
    if (again) /** @type {HTMLElement} */ (again).focus();
  }
}
register('Poll', PollWidget, 'polls');
