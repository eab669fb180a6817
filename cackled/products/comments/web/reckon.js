/* Numbers without nodes: how many comments there are, where a comment stands under "best", what has not been shown yet. */
// @ts-nocheck
/* How many comments a channel has. An event tells the number at its seq; our own writes, answered before their events come, are
   added until then. What is older than what is known changes nothing, so each may come twice, late, or not at all. */
export const makeTally = () => {
  let n = 0,
    seq = -1,
    own = [];
  function settle(at) {
    seq = at;
    own = own.filter(o => o.seq > at);
  }
  return {
    /* The page was loaded anew: its number counts, also where the channel's numbers went back. */
    begin: (number, at) => {
      if (at < seq) own = [];
      n = number;
      settle(at);
    },
    /* There were `number` at `at`. */
    set: (number, at) => {
      if (at < seq) return;
      n = number;
      settle(at);
    },
    /* An event of a server that doesn't tell the number. */
    move: (by, at) => {
      if (at <= seq) return;
      n += by;
      settle(at);
    },
    /* A write of our own was done at `at`. */
    own: (by, at) => {
      if (at > seq && !own.some(o => o.seq === at)) own.push({seq: at, by: by});
    },
    value: () =>
      Math.max(
        0,
        own.reduce((sum, o) => sum + o.by, n),
      ),
  };
};

/* As the database ranks (its `vote_rank`, a float of 32 bits). */
export const voteRank = c => {
  const all = c.up + c.down,
    p = (c.up + 1) / (all + 2);
  return Math.fround(p - Math.sqrt((p * (1 - p)) / (all + 3)));
};
/* Whether id `a` is later than `b`: decimals too long for a number. */
export const laterId = (a, b) => a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
/* Whether a comment stands above `edge`, {rank, id}: before it in the order "best". */
export const isAbove = (c, edge) => (voteRank(c) - edge.rank || laterId(c.id, edge.id)) > 0;

export const countAll = comments => comments.reduce((sum, c) => sum + 1 + countAll(c.replies || []), 0);
