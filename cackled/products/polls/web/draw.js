/* A poll as nodes. Each option keeps the room of its bar from the start, so that nothing moves when results come. */
import {parts} from './ballot.js';
import {el} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';

/** @typedef {import('./polls.js').PollWidget} PollWidget */
/** @typedef {import('./ballot.js').Option} Option */
/** @typedef {ReturnType<typeof parts>} Shown */

/**
 * @param {string} spec
 * @param {string} words
 * @param {() => unknown} onclick
 * @param {import('../../../web/lib/dom.js').Attributes} [more]
 */
export const button = (spec, words, onclick, more) => el('button.mcp-btn' + spec, {onclick, ...more}, words);

/**
 * @param {PollWidget} w
 * @param {Option} option
 */
function media(w, {image, video, text}) {
  /** @type {import('../../../web/lib/dom.js').Child[]} */
  const made = [];
  if (image)
    made.push(
      el('img.mcp-image', {
        src: (image[0] === '/' ? loader.base() : '') + image,
        alt: '',
        loading: 'lazy',
        referrerpolicy: 'no-referrer',
        width: 96,
        height: 72,
      }),
    );
  if (video) {
    const facade = button('-small', w.t('pollPlay', {title: video.title || text}), () =>
      w.needMore().then(more => more.play(facade, video, video.title || text)),
    );
    made.push(facade);
  }
  return made;
}

/**
 * @param {PollWidget} w
 * @param {Option} option
 * @param {Shown} shown
 */
function row(w, option, {open, options}) {
  const {t, poll} = w;
  const {id, text} = option;
  const {votes, share, right} = options[id];
  const {more} = w;
  const ranked = poll.kind === 'ranked' && more;
  const mine = w.chosen.includes(id);
  const known = votes !== null;
  const fill = el('span.mcp-fill');
  fill.style.transform = 'scaleX(' + share + ')';
  const input = ranked
    ? ranked.order(w, option, open)
    : el('input', {
        type: poll.max > 1 ? 'checkbox' : 'radio',
        name: w.id,
        checked: mine,
        disabled: !open,
        onchange: change => w.choose(id, change.target.checked),
      });
  const line = el(
    'div.mcp-option' + (right ? '.mcp-right' : '') + (mine ? '.mcp-mine' : ''),
    {'data-option': id},
    el(
      (ranked ? 'span' : 'label') + '.mcp-label',
      null,
      input,
      el('span.mcp-option-text', {dir: 'auto'}, text || t('pollGone')),
      media(w, option),
      right && el('span.mcp-mark', null, '✓ ' + t('pollRight')),
    ),
    el(
      'span.mcp-result',
      null,
      el('span.mcp-bar', {'aria-hidden': 'true'}, fill),
      el('span.mcp-percent', null, known && t('pollPercent', {n: Math.round(share * 100)})),
      el('span.mcp-votes', null, known && t('pollVotes', {n: votes})),
    ),
  );
  if (ranked) ranked.drag(w, line, id);
  return line;
}

/** @param {PollWidget} w */
export function draw(w) {
  const {t, node, poll, me, busy, id} = w;
  const shown = parts(poll, me, w.chosen);
  const {open} = shown;
  // In a comment it stands in a tree of its own.
  const {activeElement} = /** @type {Document} */ (node.getRootNode());
  const focused = activeElement && node.contains(activeElement) && activeElement.closest('[data-option]');
  const own = me && me.options.length > 0;
  const {more} = w;
  const titled = {'aria-labelledby': id};
  const box = el(
    'div.mcp-poll',
    {role: 'group', ...titled},
    el('div.mcp-topic-text', {id, dir: 'auto'}, poll.question),
    poll.description && el('div.mcp-title', {dir: 'auto'}, poll.description),
    more && more.before(w, open),
    el(
      'div.mcp-options',
      {role: poll.max > 1 || poll.kind === 'ranked' ? 'group' : 'radiogroup', ...titled},
      (more ? more.inOrder(w, open) : poll.options).map(one => row(w, one, shown)),
    ),
    el(
      'div.mcp-foot',
      null,
      open &&
        button('.mcp-vote', t(own ? 'pollChange' : 'pollVote'), () => w.send('PUT', undefined, {options: w.chosen}), {
          disabled: busy || !shown.ready,
        }),
      open && own && poll.changeable && button('-small', t('pollWithdraw'), () => w.send('DELETE'), {disabled: busy}),
      el(
        'span.mcp-note',
        {role: 'status'},
        shown.notes.map(([key, n]) => el('span', null, t(key, {n}))),
      ),
    ),
    el('div.mcp-error', {role: 'alert'}, w.error),
    shown.explanation && el('div.mcp-title', {dir: 'auto'}, shown.explanation),
    more && more.after(w, shown),
  );
  node.replaceChildren(box);
  // What stays through all drawings, as somebody may be typing there.
  if (activeElement && node.contains(activeElement)) /** @type {HTMLElement} */ (activeElement).focus();
  if (focused) {
    const again = node.querySelector('[data-option="' + focused.getAttribute('data-option') + '"] :is(input, button)');
    if (again) /** @type {HTMLElement} */ (again).focus();
  }
}
