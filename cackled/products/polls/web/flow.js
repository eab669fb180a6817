/* Where the parts of the picture of an instant run-off stand, without nodes: a column of bars for each round, and between
   columns a ribbon for each option that stays, and for each that takes ballots of the one that is out. */

/**
 * @typedef {{id: string, votes: number, x: number, y: number, width: number, size: number}} Bar `id` is '' for exhausted
 * @typedef {{x: number, y: number, to: number, top: number, size: number, moved: boolean}} Ribbon
 */

const BAR = 12;
const COLUMN = 170;
// Above each bar stands its name.
const GAP = 22;
const TALL = 160;

/**
 * @param {import('./ballot.js').Outcome} outcome
 * @returns {{width: number, height: number, bars: Bar[], ribbons: Ribbon[]}}
 */
export function bands({rounds}) {
  const columns = rounds.map(one => {
    /** @type {[string, number][]} */
    const all = [...one.counts];
    if (one.exhausted) all.push(['', one.exhausted]);
    return all;
  });
  const total = Math.max(1, ...columns.map(one => one.reduce((sum, [, votes]) => sum + votes, 0)));
  const scale = TALL / total;
  /** @type {Bar[]} */
  const bars = [];
  /** @type {Ribbon[]} */
  const ribbons = [];
  /** @type {Map<string, Bar>} */
  let before = new Map();
  let height = 0;
  columns.forEach((column, n) => {
    let y = 0;
    /** @type {Map<string, Bar>} */
    const now = new Map();
    column.forEach(([id, votes]) => {
      y += GAP;
      const bar = {id, votes, x: n * COLUMN, y, width: BAR, size: votes * scale};
      bars.push(bar);
      now.set(id, bar);
      y += bar.size;
    });
    height = Math.max(height, y);
    const gone = n ? before.get(rounds[n - 1].out) : undefined;
    let left = gone ? gone.y : 0;
    now.forEach(bar => {
      const old = before.get(bar.id);
      const kept = old ? Math.min(old.size, bar.size) : 0;
      if (old && kept) ribbons.push({x: old.x + BAR, y: old.y, to: bar.x, top: bar.y, size: kept, moved: false});
      const more = bar.size - kept;
      if (!gone || more < scale / 2) return;
      ribbons.push({x: gone.x + BAR, y: left, to: bar.x, top: bar.y + kept, size: more, moved: true});
      left += more;
    });
    before = now;
  });
  return {width: (columns.length - 1) * COLUMN + COLUMN, height: Math.ceil(height), bars, ribbons};
}
