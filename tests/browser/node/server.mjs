// A faithful model of what the server says: comments, ranks, pages by keyset, events with absolute counts, scrubbed history.
import {reckon} from './page.mjs';

const REPLIES = 1, BRANCH = 2;

export class Server {
  constructor(legacy = false) { this.rows = new Map(); this.seq = 0; this.log = []; this.next = 1000; this.legacy = legacy; }
  visible() { return [...this.rows.values()].filter(r => !r.deleted).length; }
  children(id) { return [...this.rows.values()].filter(r => r.parent === id); }
  json(r) {
    return {id: r.id, parent: r.parent, root: r.root, depth: r.depth, author: r.deleted ? null : {id: r.author, name: 'N'}, html: r.deleted ? '' : '<p>x</p>',
      created: '2026-01-01T00:00:00.000Z', edited: null, up: r.up, down: r.down, score: r.up - r.down, deleted: r.deleted};
  }
  event(type, data) {
    this.seq += 1;
    this.log.push({type, seq: this.seq, data: this.legacy ? data : {...data, ...(type === 'comment.voted' ? {} : {comments: this.visible()})}});
  }
  post(parent = null, author = 'x') {
    const up = parent && this.rows.get(parent), id = String(this.next += 1);
    if (parent && (!up || up.deleted || up.depth >= 3)) return null;
    this.rows.set(id, {id, parent, root: up ? up.root : id, depth: up ? up.depth + 1 : 0, author, up: 0, down: 0, deleted: false});
    this.event('comment.created', {comment: this.json(this.rows.get(id))});
    return id;
  }
  vote(id, value) {
    const r = this.rows.get(id);
    if (!r || r.deleted) return;
    if (value > 0) r.up += value; else r.down -= value;
    this.event('comment.voted', {id, up: r.up, down: r.down, score: r.up - r.down});
  }
  remove(id) {
    const r = this.rows.get(id), removed = [];
    if (!r || r.deleted) return false;
    r.deleted = true;
    const tombstone = this.children(id).length > 0;
    for (let up = r; up && up.deleted && !this.children(up.id).length; up = this.rows.get(up.parent)) {
      this.rows.delete(up.id);
      if (up !== r) removed.push(up.id);
    }
    // What was said of it leaves the log.
    for (const e of this.log) {
      if (e.data.comment && e.data.comment.id === id) {
        if (this.legacy) Object.assign(e, {type: 'comment.deleted', data: {id: '0', tombstone: false, removed: []}});
        else e.data = {...e.data, comment: {...e.data.comment, author: null, html: '', deleted: true}};
      }
    }
    this.event('comment.deleted', {id, tombstone, removed, ...(this.legacy ? {} : {root: r.root})});
    return true;
  }
  page({sort = 'best', size = 25, cursor = '', parent = ''}) {
    const head = {channel: {comments: this.visible(), key: 'k', locked: false}, position: '1/1@' + this.seq}, by = (a, b) => reckon.laterId(a.id, b.id);
    let rows = [...this.rows.values()], comments, more = null;
    if (parent) {
      size = Math.min(size, BRANCH);
      rows = rows.filter(r => r.parent && r.root === parent && (!cursor || reckon.laterId(r.id, cursor) > 0)).sort(by);
      comments = rows.slice(0, size).map(r => ({...this.json(r), replies: []}));
      if (rows.length > size) more = rows[size - 1].id;
    } else {
      const rank = r => reckon.voteRank(r), [at, last] = cursor ? cursor.split(',') : [];
      const order = {best: (a, b) => rank(b) - rank(a) || -by(a, b), new: (a, b) => -by(a, b), old: by}[sort];
      rows = rows.filter(r => !r.parent).sort(order);
      if (cursor) {
        rows = rows.filter(r => sort === 'best' ? rank(r) < +at || (rank(r) === +at && reckon.laterId(r.id, last) < 0) : reckon.laterId(r.id, last) * (sort === 'old' ? 1 : -1) > 0);
      }
      if (rows.length > size) more = rank(rows[size - 1]) + ',' + rows[size - 1].id;
      comments = rows.slice(0, size).map(root => {
        const all = [...this.rows.values()].filter(r => r.parent && r.root === root.id).sort(by), sent = all.slice(0, REPLIES);
        const tree = r => ({...this.json(r), replies: sent.filter(s => s.parent === r.id).map(tree)}), made = tree(root);
        const count = c => c.replies.reduce((n, s) => n + 1 + count(s), 0);
        return {...made, more: all.length - count(made)};
      });
    }
    return {...head, page: {sort, comments, cursor: more}};
  }
}
