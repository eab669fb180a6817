/* Votes, and newer states of comments in place. */
// @ts-nocheck
import {reason} from '../../../web/lib/reasons.js';
import {Comments} from './widget.js';

const P = Comments.prototype;

/* Shown at once, sent one at a time: the last wish counts. */
P.vote = function (item, value) {
  const self = this,
    id = item.c.id,
    old = this.votes[id] || 0;
  if (value === old) value = 0;
  item.c.score += value - old;
  this.votes[id] = value;
  this.showVotes(item);
  item.wish = value;
  if (item.voting) return;
  item.sure = old;
  item.voting = true;
  function send() {
    const sent = item.wish;
    self
      .api('PUT', '/comments/' + id + '/vote', {body: {value: sent}})
      .then(data => {
        item.sure = sent;
        if (item.wish !== sent) return send();
        item.voting = false;
        self.scored(item, data, self.at(data));
        self.fire('vote', {id: id, value: sent, score: item.c.score});
      })
      .catch(error => {
        item.voting = false;
        item.c.score += item.sure - self.votes[id];
        self.votes[id] = item.sure;
        self.showVotes(item);
        if (item.told) self.scored(item, item.told, item.scoreSeq);
        self.notice(reason(self.t, error));
      });
  }
  send();
};
/* The newest counts; while one's own vote is on its way they wait for its answer, which may be older than they are. */
P.scored = function (item, data, seq) {
  if (!(item.scoreSeq > seq)) {
    item.scoreSeq = seq;
    item.told = data;
  }
  if (item.voting || !item.told) return;
  Object.assign(item.c, {up: item.told.up, down: item.told.down, score: item.told.score});
  item.told = null;
  this.showVotes(item);
};

/* A newer state of a comment. While its author edits it, only the data change. */
P.updated = function (item, c, seq) {
  if (seq < item.seq) return;
  item.seq = seq;
  item.c = Object.assign(item.c, c, {
    replies: item.c.replies,
    more: item.c.more,
    score: item.voting ? item.c.score : c.score,
  });
  if (c.source === undefined) delete item.c.source;
  if (item.edit && item.edit.node.isConnected) return;
  const inside = item.body.contains(document.activeElement) && !item.slot.contains(document.activeElement);
  this.draw(item);
  if (inside) this.focus(item.node);
};
