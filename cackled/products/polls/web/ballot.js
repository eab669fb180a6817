/* What a poll shows, without nodes: counts, shares, notes, and the order of a ranked ballot. */

/**
 * @typedef {object} Option
 * @property {string} id
 * @property {string} text
 * @property {string} image
 * @property {{provider: string, id: string, hash: string, title?: string} | null} video
 * @property {number | null} votes
 * @property {boolean | null} correct
 * @typedef {{counts: [string, number][], exhausted: number, out: string, tied: string[], by: string}} Round
 * @typedef {{winner: string, rounds: Round[]}} Outcome
 * @typedef {object} Poll
 * @property {string} id
 * @property {string} kind
 * @property {string} question
 * @property {string} description
 * @property {Option[]} options
 * @property {number} min
 * @property {number} max
 * @property {string} results
 * @property {string} identity
 * @property {string | null} opens_at
 * @property {string | null} closes_at
 * @property {boolean} voters_shown
 * @property {boolean} changeable
 * @property {boolean} write_in
 * @property {string} state
 * @property {number | null} voters
 * @property {number | null} removed
 * @property {string | null} explanation
 * @property {Outcome | null} outcome
 * @typedef {object} Me
 * @property {string[]} options
 * @property {{voters: number, options: {id: string, votes: number}[]} | null} results
 * @property {{correct: string[], explanation: string} | null} answer
 * @property {Outcome | null} outcome
 */

/** @type {Record<string, string>} what says when results come */
const HIDDEN = {voted: 'pollAfter', closed: 'pollLater'};

/**
 * @param {Poll} poll
 * @param {Me | null} me
 * @param {string[]} chosen
 */
export function parts(poll, me, chosen) {
  const own = me && me.results;
  const voters = own ? own.voters : poll.voters;
  const answer = me && me.answer;
  const voted = !!me && me.options.length > 0;
  const open = poll.state === 'open' && (!voted || poll.changeable);
  /** @type {Record<string, {votes: number | null, share: number, right: boolean}>} */
  const options = {};
  poll.options.forEach(one => {
    const mine = own && own.options.find(other => other.id === one.id);
    const votes = mine ? mine.votes : one.votes;
    options[one.id] = {
      votes,
      // Of the voters, also where each may have several votes.
      share: voters && votes ? votes / voters : 0,
      right: answer ? answer.correct.includes(one.id) : !!one.correct,
    };
  });
  /** @type {[string, number][]} */
  const notes = [];
  if (voted) notes.push(['pollMine', 0]);
  if (poll.state !== 'open') notes.push([poll.state === 'closed' ? 'pollClosed' : 'pollScheduled', 0]);
  if (voters !== null) notes.push(['pollVoters', voters]);
  else notes.push([HIDDEN[poll.results] || 'pollHidden', 0]);
  if (poll.max > 1 && poll.kind === 'multiple') notes.push(['pollShare', 0]);
  if (poll.removed) notes.push(['pollRemoved', poll.removed]);
  const same = voted && chosen.join() === /** @type {Me} */ (me).options.join();
  return {
    open,
    options,
    notes,
    ready: chosen.length >= poll.min && chosen.length <= poll.max && !same,
    explanation: answer ? answer.explanation : poll.explanation,
    outcome: (me && me.outcome) || poll.outcome,
  };
}

/**
 * A ranked ballot with one option moved by so many places.
 * @param {string[]} chosen
 * @param {string} id
 * @param {number} by
 */
export function ranking(chosen, id, by) {
  const from = chosen.indexOf(id);
  const to = Math.min(chosen.length - 1, Math.max(0, from + by));
  if (from < 0) return chosen;
  const rest = chosen.filter(one => one !== id);
  return [...rest.slice(0, to), id, ...rest.slice(to)];
}
