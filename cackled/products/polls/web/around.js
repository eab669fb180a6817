/* What stands around the options of few polls: what is asked for, until when and of whom, signing in, who voted, a further option. */
import {button} from './draw.js';
import {rounds} from './more.js';
import {el} from '../../../web/lib/dom.js';
import {reason} from '../../../web/lib/reasons.js';
import {loader} from '../../../web/lib/loader.js';
import {lookWhoComes, showWays} from '../../../web/people/signing.js';

/** @typedef {import('./polls.js').PollWidget} PollWidget */
/** @typedef {ReturnType<typeof import('./ballot.js').parts>} Shown */
/** @typedef {{field: HTMLInputElement, sign: HTMLElement, names: HTMLDetailsElement | null, asked: boolean}} Kept */

/** @type {WeakMap<PollWidget, Kept>} what stays through all drawings, as somebody may be at it */
const all = new WeakMap();
// What an account is called for which there is one vote.
/** @type {Record<string, string>} */
const ONCE = {account: 'pollAccount', mail: 'pollMail', sso: 'pollSso'};

/** @param {PollWidget} w */
function keptOf(w) {
  let kept = all.get(w);
  if (!kept) {
    const field = el('input.mcp-write', {maxlength: 200, 'aria-label': w.t('pollPropose')});
    kept = {field, sign: el('div.mcp-sign', null, signButton(w)), names: null, asked: false};
    all.set(w, kept);
  }
  return kept;
}

/** @param {PollWidget} w */
const tell = w => (/** @type {string} */ words) => {
  w.error = words;
  if (w.poll) w.draw();
  else w.node.append(el('div.mcp-error', {role: 'alert'}, words));
};

/** @param {PollWidget} w */
function signButton(w) {
  const made = button('-small.mcp-signin', w.t('signIn'), () => showWays(w, made, tell(w)), {'aria-expanded': 'false'});
  return made;
}

/**
 * Below the question: what is asked for, until when, and of whom.
 * @param {PollWidget} w
 * @param {boolean} open
 */
export function before(w, open) {
  const {t, poll, times} = w;
  const {min, max, kind, state, identity} = poll;
  const kept = keptOf(w);
  if (!kept.asked && identity !== 'session') lookWhoComes(w, tell(w));
  kept.asked = kept.asked || identity !== 'session';
  const range = min === max ? t.number(min) : t.number(min) + '\u2013' + t.number(max);
  const closes = poll.closes_at && state !== 'closed' && t('pollCloses', {time: times.full(poll.closes_at)});
  const words = [
    open && kind === 'multiple' && t('pollChoose', {range}),
    open && kind === 'ranked' && t('pollOrder'),
    state === 'scheduled' && poll.opens_at && t('pollOpens', {time: times.full(poll.opens_at)}),
    closes,
    open && poll.voters_shown && t('pollNamed'),
  ];
  const unknown = open && ONCE[identity] && !w.session.get('level');
  return [
    el(
      'div.mcp-note.mcp-hint',
      null,
      words.filter(Boolean).map(one => el('span', null, one)),
    ),
    unknown && el('div.mcp-foot.mcp-once', null, el('span.mcp-note', null, t(ONCE[identity])), kept.sign),
  ];
}

/**
 * Below the vote: how it was decided, who voted, and a further option.
 * @param {PollWidget} w
 * @param {Shown} shown
 */
export function after(w, shown) {
  const {t, poll} = w;
  const {field} = keptOf(w);
  const known = poll.voters !== null || (w.me && w.me.results);
  const propose = () => w.send('POST', '/options', {text: field.value});
  field.onkeydown = key => {
    if (key.key !== 'Enter' || key.isComposing) return;
    key.preventDefault();
    propose();
  };
  return [
    rounds(w, shown),
    poll.voters_shown && known && namesOf(w),
    poll.write_in && shown.open && el('div.mcp-foot', null, field, button('-small', t('pollPropose'), propose)),
  ];
}

/** @param {PollWidget} w */
export function proposed(w) {
  keptOf(w).field.value = '';
}

/**
 * Who voted for what, asked for when it is opened.
 * @param {PollWidget} w
 */
function namesOf(w) {
  const kept = keptOf(w);
  if (kept.names) return kept.names;
  const {t} = w;
  const list = el('div');
  const box = /** @type {HTMLDetailsElement} */ (
    el('details.mcp-rounds', {ontoggle: () => box.open && show()}, el('summary', null, t('pollWho')), list)
  );

  function show() {
    list.replaceChildren(
      ...w.poll.options.map(({id, text}) => {
        const names = el('span');
        const line = el('div.mcp-names', null, el('b', {dir: 'auto'}, text), ' ', names);
        next(id, names, '');
        return line;
      }),
    );
  }

  /**
   * @param {string} option
   * @param {HTMLElement} names
   * @param {string} last the voter after whom to go on
   */
  async function next(option, names, last) {
    try {
      const {voters} = await w.ask('GET', '/voters?' + new URLSearchParams({option, after: last}), {
        mine: !!w.session.visitor(),
      });
      voters.forEach((/** @type {{id: string, name: string}} */ one) =>
        names.append(names.firstChild ? ', ' : '', el('bdi', null, one.name || t('guest'))),
      );
      if (voters.length < 100) return names.firstChild || names.append('\u2013');
      const more = button('-small', t('more'), () => {
        more.remove();
        next(option, names, voters[99].id);
      });
      names.after(more);
    } catch (failed) {
      names.replaceChildren(reason(t, /** @type {any} */ (failed)));
    }
  }
  return (kept.names = box);
}

/**
 * A page that only people who signed in may read, or some of them.
 * @param {PollWidget} w
 * @param {any} problem
 */
export function invite(w, problem) {
  const slug = loader.text(problem.type).split('/').pop() || '';
  w.held = false;
  w.node.style.minHeight = '';
  w.node.replaceChildren(
    el('div.mcp-error', {role: 'alert'}, w.t.problem(slug) || w.t('unavailable')),
    el('div.mcp-foot', null, keptOf(w).sign),
  );
  lookWhoComes(w, tell(w));
}
