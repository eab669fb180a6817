/* The poll widget. Each option keeps the room of its bar from the start, so that nothing moves when results come. */
import {parts, ranking} from './ballot.js';
import {el} from '../../../web/lib/dom.js';
import {makeWords} from '../../../web/lib/i18n.js';
import {subscribe} from '../../../web/lib/live.js';
import {loader} from '../../../web/lib/loader.js';
import {readOptions} from '../../../web/lib/options.js';
import {reason} from '../../../web/lib/reasons.js';
import {openSession} from '../../../web/lib/session.js';
import {watchTheme} from '../../../web/lib/theme.js';
import {learnClock} from '../../../web/lib/time.js';

/** @typedef {import('./ballot.js').Poll} Poll */
/** @typedef {import('./ballot.js').Me} Me */

const FOREIGN = {
  youtube: (/** @type {any} */ v) => 'https://www.youtube-nocookie.com/embed/' + v.id + '?autoplay=1&playsinline=1',
  vimeo: (/** @type {any} */ v) =>
    'https://player.vimeo.com/video/' + v.id + '?dnt=1&autoplay=1' + (v.hash ? '&h=' + v.hash : ''),
};
let count = 0;

/** @param {import('../../../web/lib/loader.js').Mounted} widget */
export function mount(widget) {
  const {node, site} = widget;
  const o = readOptions(widget.options);
  const t = makeWords(widget.lang, o.msg, 'polls');
  const session = openSession(site, o.token, o.renew);
  const name = 'mcp' + ++count;
  /** @type {any[]} */
  const closers = [watchTheme(node, o.theme)];
  /** @type {Poll} */
  let poll;
  /** @type {Me | null} */
  let me = null;
  /** @type {string[]} what is chosen in the form, in order */
  let chosen = [];
  let seq = 0;
  let busy = false;
  let error = '';
  /** @type {any} */
  let timer;
  const path = () => '/polls/' + poll.id;
  node.classList.add('mcp-root');
  node.lang = t.lang;

  /** @param {any} answer */
  function take(answer) {
    poll = answer.poll;
    me = answer.me || me;
    seq = Math.max(seq, +answer.position.split('@')[1]);
  }

  /** Gives the number of the channel that is shown then. */
  async function reload() {
    try {
      const mine = session.visitor() ? {mine: true} : {};
      const answer = await session.call('GET', path() + '?readPreference=nearest&after=' + seq, mine);
      me = null;
      take(answer);
      draw();
    } catch {
      // The next event asks again.
    }
    return seq;
  }

  /** @param {any} m */
  function event(m) {
    if (m.seq <= seq || !/^poll/.test(m.type)) return;
    seq = m.seq;
    if (m.type === 'poll.voted' && m.data.voters !== null) {
      poll.voters = m.data.voters;
      m.data.options.forEach((/** @type {any} */ one) => {
        const known = poll.options.find(option => option.id === one.id);
        if (known) known.votes = one.votes;
      });
      if (me && me.results) me.results = m.data;
      draw();
      if (poll.kind !== 'ranked') return;
    } else if (m.type === 'poll.voted' && !(me && me.options.length)) return;
    // Many who look at one poll don't ask all at once.
    clearTimeout(timer);
    timer = setTimeout(reload, Math.random() * 2000);
  }

  /** @param {() => Promise<any>} work */
  async function send(work) {
    if (busy) return;
    busy = true;
    error = '';
    draw();
    try {
      const answer = await work();
      if (answer.me) {
        me = answer.me;
        chosen = [...answer.me.options];
      }
    } catch (failed) {
      error = reason(t, /** @type {any} */ (failed));
    }
    busy = false;
    draw();
    if (poll.kind === 'ranked' || (poll.removed || 0) > 0) reload();
  }
  const vote = () => send(() => session.call('PUT', path() + '/vote', {body: {options: chosen}}));
  const withdraw = () => send(() => session.call('DELETE', path() + '/vote'));

  /**
   * @param {string} id
   * @param {boolean} on
   */
  function choose(id, on) {
    if (poll.max === 1) chosen = on ? [id] : [];
    else chosen = on ? [...chosen.filter(one => one !== id), id] : chosen.filter(one => one !== id);
    draw();
  }

  /**
   * @param {string} id
   * @param {number} by
   */
  function move(id, by) {
    chosen = ranking(chosen, id, by);
    draw();
    const again = node.querySelector('[data-option="' + id + '"] .mcp-up');
    if (again) /** @type {HTMLElement} */ (again).focus();
  }

  /** @param {any} option */
  function media(option) {
    const video = option.video;
    return [
      option.image &&
        el('img.mcp-image', {
          src: option.image,
          alt: '',
          loading: 'lazy',
          referrerpolicy: 'no-referrer',
          width: 96,
          height: 72,
        }),
      video &&
        el(
          'button.mcp-btn-small',
          {
            onclick: (/** @type {any} */ click) => {
              const frame = el('iframe.mcp-video', {
                src: /** @type {any} */ (FOREIGN)[video.provider](video),
                title: option.text,
                allow: 'autoplay; fullscreen',
                referrerpolicy: 'strict-origin-when-cross-origin',
              });
              click.currentTarget.replaceWith(frame);
              frame.focus();
            },
          },
          t('pollPlay', {title: option.text}),
        ),
    ];
  }

  /**
   * @param {any} option
   * @param {ReturnType<typeof parts>} shown
   */
  function row(option, shown) {
    const {votes, share, right} = shown.options[option.id];
    const ranked = poll.kind === 'ranked';
    const place = chosen.indexOf(option.id);
    const words = el('span.mcp-option-text', {dir: 'auto'}, option.text || t('pollGone'));
    const result = [
      el('span.mcp-percent', null, votes === null ? '' : t('pollPercent', {n: Math.round(share * 100)})),
      el('span.mcp-votes', null, votes === null ? '' : t('pollVotes', {n: votes})),
    ];
    const fill = el('span.mcp-fill');
    fill.style.transform = 'scaleX(' + (votes === null ? 0 : share) + ')';
    const input =
      !ranked &&
      el('input', {
        type: poll.max > 1 ? 'checkbox' : 'radio',
        name,
        checked: place >= 0,
        disabled: !shown.open,
        onchange: (/** @type {any} */ change) => choose(option.id, change.target.checked),
      });
    const order =
      ranked &&
      el(
        'span.mcp-order',
        null,
        el(
          'button.mcp-btn-small.mcp-up',
          {
            disabled: !shown.open,
            'aria-label':
              place < 0 ? t('pollRank', {name: option.text}) : t('pollPlace', {name: option.text, n: place + 1}),
            onclick: () => (place < 0 ? choose(option.id, true) : move(option.id, -1)),
            onkeydown: (/** @type {any} */ key) => {
              const by = {ArrowUp: -1, ArrowDown: 1}[/** @type {'ArrowUp'} */ (key.key)];
              if (!by || place < 0) return;
              key.preventDefault();
              move(option.id, by);
            },
          },
          place < 0 ? '+' : t.number(place + 1),
        ),
        place >= 0 &&
          el(
            'button.mcp-btn-small',
            {
              disabled: !shown.open,
              'aria-label': t('pollUnrank', {name: option.text}),
              onclick: () => choose(option.id, false),
            },
            '×',
          ),
      );
    const line = el(
      'div.mcp-option' + (right ? '.mcp-right' : '') + (place >= 0 ? '.mcp-mine' : ''),
      {'data-option': option.id, draggable: ranked && place >= 0 && shown.open ? 'true' : null},
      el(ranked ? 'span.mcp-label' : 'label.mcp-label', null, input, order, words, media(option)),
      el('span.mcp-result', null, el('span.mcp-bar', {'aria-hidden': 'true'}, fill), result),
      right && el('span.mcp-hidden', null, t('pollRight')),
    );
    if (ranked) drag(line, option.id);
    return line;
  }

  /**
   * By pointer, finger or pen: an option goes before the one that it is dropped on.
   * @param {HTMLElement} line
   * @param {string} id
   */
  function drag(line, id) {
    line.addEventListener('pointerdown', down => {
      if (chosen.indexOf(id) < 0 || /** @type {HTMLElement} */ (down.target).closest('button, a')) return;
      down.preventDefault();
      line.setPointerCapture(down.pointerId);
      line.classList.add('mcp-drag');
    });
    line.addEventListener('pointerup', up => {
      if (!line.classList.contains('mcp-drag')) return;
      line.classList.remove('mcp-drag');
      const under = document.elementFromPoint(up.clientX, up.clientY);
      const over = under && under.closest('[data-option]');
      const to = over ? chosen.indexOf(over.getAttribute('data-option') || '') : -1;
      if (to >= 0) move(id, to - chosen.indexOf(id));
    });
  }

  /** @param {ReturnType<typeof parts>} shown */
  function rounds(shown) {
    const outcome = shown.outcome;
    if (!outcome) return null;
    const named = (/** @type {string} */ id) => (poll.options.find(one => one.id === id) || {text: id}).text;
    return el(
      'details.mcp-rounds',
      null,
      el('summary', null, outcome.winner ? t('pollWinner', {name: named(outcome.winner)}) : t('pollNobody')),
      el(
        'table',
        null,
        outcome.rounds.map((round, n) =>
          el(
            'tr',
            null,
            el('th', {scope: 'row'}, t('pollRound', {n: n + 1})),
            round.counts.map(([id, votes]) => el('td', null, named(id) + ' ' + t.number(votes))),
            el(
              'td',
              null,
              !round.out
                ? ''
                : round.by
                  ? t(round.by === 'lot' ? 'pollLot' : 'pollEarlier', {name: named(round.out)})
                  : t('pollOut', {name: named(round.out)}),
            ),
          ),
        ),
      ),
    );
  }

  function draw() {
    const shown = parts(poll, me, chosen);
    const focused =
      document.activeElement &&
      node.contains(document.activeElement) &&
      document.activeElement.closest('[data-option]');
    const kept = focused && focused.getAttribute('data-option');
    const own = me && me.options.length > 0;
    const write =
      poll.write_in && shown.open && el('input.mcp-write', {maxlength: 200, 'aria-label': t('pollPropose')});
    const box = el(
      'div.mcp-poll',
      {role: 'group', 'aria-labelledby': name},
      el('div.mcp-topic-text', {id: name, dir: 'auto'}, poll.question),
      poll.description && el('div.mcp-title', {dir: 'auto'}, poll.description),
      el(
        'div.mcp-options',
        {role: poll.max > 1 || poll.kind === 'ranked' ? 'group' : 'radiogroup', 'aria-labelledby': name},
        poll.options.map(one => row(one, shown)),
      ),
      el(
        'div.mcp-foot',
        null,
        shown.open &&
          el(
            'button.mcp-btn.mcp-vote',
            {disabled: busy || !shown.ready, onclick: vote},
            t(own ? 'pollChange' : 'pollVote'),
          ),
        shown.open &&
          own &&
          poll.changeable &&
          el('button.mcp-btn-small', {disabled: busy, onclick: withdraw}, t('pollWithdraw')),
        el(
          'span.mcp-note',
          {role: 'status'},
          shown.notes.map(([key, n]) => el('span', null, t(key, {n}))),
        ),
      ),
      el('div.mcp-error', {role: 'alert'}, error),
      shown.explanation && el('div.mcp-title', {dir: 'auto'}, shown.explanation),
      rounds(shown),
      write &&
        el(
          'div.mcp-foot',
          null,
          write,
          el(
            'button.mcp-btn-small',
            {
              onclick: () =>
                send(async () => {
                  await session.call('POST', path() + '/options', {body: {text: write.value}});
                  error = t('pollProposed');
                  return {};
                }),
            },
            t('pollPropose'),
          ),
        ),
    );
    const open = node.querySelector('.mcp-rounds');
    if (open && /** @type {any} */ (open).open) {
      const again = box.querySelector('.mcp-rounds');
      if (again) again.setAttribute('open', '');
    }
    node.replaceChildren(box);
    if (kept) {
      const again = node.querySelector('[data-option="' + kept + '"] :is(input, button)');
      if (again) /** @type {HTMLElement} */ (again).focus();
    }
    node.style.minHeight = '';
  }

  async function begin() {
    try {
      const answer = await widget.first;
      const data = await answer.json();
      if (!answer.ok) {
        node.style.minHeight = '';
        node.replaceChildren(
          el(
            'div.mcp-error',
            {role: 'alert'},
            t.problem(loader.text(data.type).split('/').pop() || '') || t('pollFailed'),
          ),
        );
        return;
      }
      learnClock(answer, false);
      take(data);
      chosen = me ? [...me.options] : [];
      draw();
      const sub = subscribe(
        data.position,
        {event, status: () => {}, reset: reload, renew: session.renew},
        session.grant(),
      );
      closers.push(() => sub.close());
    } catch {
      setTimeout(() => {
        widget.first = loader.get(
          '/bootstrap?widget=Poll&site=' + site + '&pollId=' + encodeURIComponent(widget.ask.pollId),
        );
        begin();
      }, 5000);
    }
  }
  begin();
}
loader.widgets.Poll = mount;
