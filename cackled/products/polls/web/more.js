/* What few polls need: videos, the rounds of a run-off as a table and a picture; ranking.js and around.js have the rest. */
import {bands} from './flow.js';
import {el} from '../../../web/lib/dom.js';

export {after, before, invite, proposed} from './around.js';
export {drag, inOrder, order} from './ranking.js';

/** @typedef {import('./polls.js').PollWidget} PollWidget */
/** @typedef {import('./ballot.js').Outcome} Outcome */
/** @typedef {import('../../../web/lib/i18n.js').Translate} Translate */

/** @type {Record<string, (video: {id: string, hash: string}) => string>} */
const FOREIGN = {
  youtube: video => 'https://www.youtube-nocookie.com/embed/' + video.id + '?autoplay=1&playsinline=1',
  vimeo: video =>
    'https://player.vimeo.com/video/' + video.id + '?dnt=1&autoplay=1' + (video.hash ? '&h=' + video.hash : ''),
};

/**
 * Puts the video in place of the button that was pressed: before that, nothing foreign is loaded.
 * @param {HTMLElement} facade
 * @param {{provider: string, id: string, hash: string}} video
 * @param {string} title
 */
export function play(facade, video, title) {
  const frame = el('iframe.mcp-video', {
    src: FOREIGN[video.provider](video),
    title,
    allow: 'autoplay; fullscreen',
    referrerpolicy: 'strict-origin-when-cross-origin',
  });
  facade.replaceWith(frame);
  frame.focus();
}

/**
 * @param {string} name
 * @param {Record<string, string | number>} attributes
 * @param {string} [fill] a colour; no attribute, as a page's policy may forbid styles in those
 */
function svg(name, attributes, fill) {
  const node = document.createElementNS('http://www.w3.org/2000/svg', name);
  Object.keys(attributes).forEach(key => node.setAttribute(key, '' + attributes[key]));
  if (fill) node.style.fill = fill;
  return node;
}

/**
 * How the ballots went from round to round. The table says the same, so that it is for the eyes alone.
 * @param {Outcome} outcome
 * @param {(id: string) => string} named
 * @param {Translate} t
 * @param {boolean} mirrored from right to left
 */
function picture(outcome, named, t, mirrored) {
  const {width, height, bars, ribbons} = bands(outcome);
  const drawn = svg('svg', {viewBox: `0 0 ${width} ${height}`, width, class: 'mcp-flow', 'aria-hidden': 'true'});
  const shapes = svg('g', mirrored ? {transform: `translate(${width}) scale(-1 1)`} : {});
  drawn.append(shapes);
  ribbons.forEach(({x, y, to, top, size, moved}) => {
    const half = (x + to) / 2;
    const d = `M${x} ${y}C${half} ${y} ${half} ${top} ${to} ${top}v${size}C${half} ${top + size} ${half} ${y + size} ${x} ${y + size}z`;
    const ribbon = svg('path', {d}, moved ? 'var(--mc-accent)' : 'var(--mc-line)');
    if (moved) ribbon.style.opacity = '.4';
    shapes.append(ribbon);
  });
  bars.forEach(({id, votes, x, y, width: wide, size}) => {
    const name = [...(id ? named(id) : t('pollExhausted'))];
    const label = svg('text', {x: mirrored ? width - x : x, y: y - 5}, 'currentColor');
    label.textContent = name.slice(0, 16).join('') + (name.length > 16 ? '…' : '') + ' ' + t.number(votes);
    const fill = id && id === outcome.winner ? 'var(--mc-accent)' : id ? 'var(--mc-muted)' : 'var(--mc-line)';
    shapes.append(svg('rect', {x, y, width: wide, height: size}, fill));
    drawn.append(label);
  });
  return drawn;
}

/**
 * Who won, and below it how.
 * @param {PollWidget} w
 * @param {{outcome: Outcome | null}} shown
 */
export function rounds({t, node, poll}, {outcome}) {
  if (!outcome) return null;
  const names = Object.fromEntries(poll.options.map(one => [one.id, one.text]));
  const named = (/** @type {string} */ id) => names[id] || t('pollGone');
  const last = (/** @type {string} */ by) => (by === 'lot' ? 'pollLot' : by ? 'pollEarlier' : 'pollOut');
  const old = /** @type {HTMLDetailsElement | null} */ (node.querySelector('.mcp-rounds'));
  const box = el(
    'details.mcp-rounds',
    {open: !!old && old.open},
    el('summary', null, outcome.winner ? t('pollWinner', {name: named(outcome.winner)}) : t('pollNobody')),
  );
  if (outcome.rounds.length > 1) {
    box.append(picture(outcome, named, t, getComputedStyle(node).direction === 'rtl'));
  }
  box.append(
    el(
      'table',
      null,
      outcome.rounds.map(({counts, exhausted, out, by}, n) =>
        el(
          'tr',
          null,
          el('th', {scope: 'row'}, t('pollRound', {n: n + 1})),
          counts.map(([id, votes]) => el('td', null, named(id) + ' ' + t.number(votes))),
          exhausted > 0 && el('td', null, t('pollExhausted') + ' ' + t.number(exhausted)),
          el('td', null, out && t(last(by), {name: named(out)})),
        ),
      ),
    ),
  );
  return box;
}
