// A faithful model of what the server says: comments, ranks, pages by keyset, events with absolute counts, scrubbed history.
// Its answers and events have the types that the server declares (types/api.d.ts).

import {voteRank} from '../../../cackled/products/comments/web/rank.js';
import {laterId} from '../../../cackled/products/comments/web/reckon.js';

/** @import {Comment, Events, Routes} from '../../../types/api.js' */
/** @typedef {Routes['GET /sites/{site}/comments']['answer']} Page */

/**
 * A comment as it is stored.
 * @typedef {object} Row
 * @property {string} id
 * @property {string | null} parent
 * @property {string} root
 * @property {number} depth
 * @property {string} author
 * @property {number} up
 * @property {number} down
 * @property {boolean} deleted
 */

/** @typedef {'comment.created' | 'comment.voted' | 'comment.deleted'} Told the types that are told of here */
/** @typedef {{[T in Told]: {type: T, seq: number, data: Events[T]}}[Told]} Entry */

const REPLIES = 1;
const BRANCH = 2;

/** @param {{id: string}} a @param {{id: string}} b */
const byId = (a, b) => laterId(a.id, b.id);

export class Server {
  /** @param {boolean} [legacy] an older release: it tells no counts, and what is deleted leaves the log otherwise */
  constructor(legacy = false) {
    /** @type {Map<string, Row>} */
    this.rows = new Map();
    this.seq = 0;
    /** @type {Entry[]} */
    this.log = [];
    this.next = 1000;
    this.legacy = legacy;
  }

  visible() {
    return [...this.rows.values()].filter(r => !r.deleted).length;
  }

  /** @param {string} id */
  children(id) {
    return [...this.rows.values()].filter(r => r.parent === id);
  }

  /** @param {Row} r @returns {Comment} */
  json(r) {
    return {
      id: r.id,
      parent: r.parent,
      root: r.root,
      depth: r.depth,
      author: r.deleted ? null : {id: r.author, name: 'N', avatar: null},
      html: r.deleted ? '' : '<p>x</p>',
      created: '2026-01-01T00:00:00.000Z',
      edited: null,
      up: r.up,
      down: r.down,
      score: r.up - r.down,
      deleted: r.deleted,
    };
  }

  /** How many there are, where this release tells it. */
  count() {
    return this.legacy ? {} : {comments: this.visible()};
  }

  /**
   * @template {Told} T
   * @param {T} type
   * @param {Events[T]} data
   */
  event(type, data) {
    this.seq += 1;
    this.log.push(/** @type {Entry} */ ({type, seq: this.seq, data}));
  }

  /**
   * @param {string | null} [parent]
   * @param {string} [author]
   * @returns {string | null} its id
   */
  post(parent = null, author = 'x') {
    const up = parent === null ? undefined : this.rows.get(parent);
    const id = String((this.next += 1));
    if (parent !== null && (!up || up.deleted || up.depth >= 3)) return null;
    const row = {id, parent, root: up ? up.root : id, depth: up ? up.depth + 1 : 0, author, up: 0, down: 0};
    this.rows.set(id, {...row, deleted: false});
    this.event('comment.created', {comment: this.json({...row, deleted: false}), ...this.count()});
    return id;
  }

  /** @param {string} id @param {number} value so many votes for it, or against */
  vote(id, value) {
    const r = this.rows.get(id);
    if (!r || r.deleted) return;
    if (value > 0) r.up += value;
    else r.down -= value;
    this.event('comment.voted', {id, up: r.up, down: r.down, score: r.up - r.down});
  }

  /** @param {string} id */
  remove(id) {
    const r = this.rows.get(id);
    /** @type {string[]} */
    const removed = [];
    if (!r || r.deleted) return false;
    r.deleted = true;
    const tombstone = this.children(id).length > 0;
    /** @type {Row | undefined} */
    let up = r;
    while (up && up.deleted && !this.children(up.id).length) {
      this.rows.delete(up.id);
      if (up !== r) removed.push(up.id);
      up = up.parent === null ? undefined : this.rows.get(up.parent);
    }
    // What was said of it leaves the log.
    this.log = this.log.map(e => {
      if (e.type !== 'comment.created' || e.data.comment.id !== id) return e;
      if (this.legacy) return {...e, type: 'comment.deleted', data: {id: '0', tombstone: false, removed: []}};
      return {...e, data: {...e.data, comment: {...e.data.comment, author: null, html: '', deleted: true}}};
    });
    const more = this.legacy ? {} : {root: r.root, ...this.count()};
    this.event('comment.deleted', {id, tombstone, removed, ...more});
    return true;
  }

  /**
   * @param {{sort?: 'best' | 'new' | 'old', size?: number, cursor?: string, parent?: string}} query
   * @returns {Page}
   */
  page({sort = 'best', size = 25, cursor = '', parent = ''}) {
    const {comments, more} = parent ? this.branch(parent, size, cursor) : this.roots(sort, size, cursor);
    const channel = {id: '1', key: 'k', seq: this.seq, url: '', title: '', comments: this.visible(), locked: false};
    return {channel, position: `1/1@${this.seq}`, page: {sort, comments, cursor: more}};
  }

  /** @param {string} root @param {number} size @param {string} cursor */
  branch(root, size, cursor) {
    const most = Math.min(size, BRANCH);
    const rows = [...this.rows.values()]
      .filter(r => r.parent && r.root === root && (!cursor || laterId(r.id, cursor) > 0))
      .sort(byId);
    /** @type {Comment[]} */
    const comments = rows.slice(0, most).map(r => ({...this.json(r), replies: []}));
    return {comments, more: rows.length > most ? rows[most - 1].id : null};
  }

  /** @param {'best' | 'new' | 'old'} sort @param {number} size @param {string} cursor */
  roots(sort, size, cursor) {
    const [at, last] = cursor.split(',');
    /** @type {Record<string, (a: Row, b: Row) => number>} */
    const orders = {best: (a, b) => voteRank(b) - voteRank(a) || -byId(a, b), new: (a, b) => -byId(a, b), old: byId};
    let rows = [...this.rows.values()].filter(r => !r.parent).sort(orders[sort]);
    if (cursor) {
      rows = rows.filter(r => {
        if (sort !== 'best') return laterId(r.id, last) * (sort === 'old' ? 1 : -1) > 0;
        return voteRank(r) < +at || (voteRank(r) === +at && laterId(r.id, last) < 0);
      });
    }
    const more = rows.length > size ? `${voteRank(rows[size - 1])},${rows[size - 1].id}` : null;
    return {comments: rows.slice(0, size).map(root => this.thread(root)), more};
  }

  /** A root and its first replies. @param {Row} root */
  thread(root) {
    const all = [...this.rows.values()].filter(r => r.parent && r.root === root.id).sort(byId);
    const sent = all.slice(0, REPLIES);
    /** @param {Row} r @returns {Comment & {replies: Comment[]}} */
    const tree = r => ({...this.json(r), replies: sent.filter(s => s.parent === r.id).map(tree)});
    /** @param {Comment} c @returns {number} */
    const count = c => (c.replies ?? []).reduce((n, s) => n + 1 + count(s), 0);
    const made = tree(root);
    return {...made, more: all.length - count(made)};
  }
}
