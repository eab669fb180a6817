/* Ends a conversation. What is asked when it is over: how it was, a copy of it, another one. */
import {startAgain} from './leaving.js';
import {heardEvent} from './listening.js';
import {el, icon} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {reason} from '../../../web/lib/reasons.js';
import {asObject} from '../../../web/lib/values.js';

const STAR = 'M10 3l2.1 4.5 4.9.6-3.6 3.4.9 4.9-4.3-2.4-4.3 2.4.9-4.9L3 8.1l4.9-.6z';

/**
 * The visitor ends the conversation.
 * @param {import('./conversation.js').ChatPanel} w
 */
export async function finishChat(w) {
  try {
    await w.call1('POST', '/close', {body: {}});
    if (w.store.chat.state !== 'closed')
      heardEvent(w, /** @type {any} */ ({type: 'chat.closed', data: {by: 'visitor'}}));
  } catch (error) {
    w.say(reason(w.t, /** @type {any} */ (error)));
  }
}

/** @param {import('./conversation.js').ChatPanel} w */
export function drawEnd(w) {
  const {t, store, ask, info} = w;
  const {rating} = store.chat;
  const stars = el('div.stars', {role: 'radiogroup', 'aria-label': t('chatRate')});
  /** @param {number} score */
  const pick = score => {
    w.score = score;
    w.draw();
  };
  for (let n = 1; n <= 5; n++) {
    const words = t('chatStars', {n});
    stars.append(
      el('button.star' + (n <= w.score ? '.lit' : ''), {
        role: 'radio', 'aria-checked': '' + (n === w.score), 'aria-label': words, title: words, onclick: () => pick(n),
        tabindex: n === (w.score || 1) ? 0 : -1,
        onkeydown: event => {
          // Where it is read from right to left, more stars are on the left.
          const ahead = getComputedStyle(stars).direction === 'rtl' ? 'Left' : 'Right';
          const by = {ArrowUp: 1, ArrowDown: -1, ArrowLeft: -1, ArrowRight: -1, ['Arrow' + ahead]: 1}[event.key];
          if (!by) return;
          event.preventDefault();
          pick(Math.min(5, Math.max(1, (w.score || n) + by)));
        },
      }, icon(STAR)),
    ); // prettier-ignore
  }
  // What was typed stays, whichever star is chosen then.
  const before = (/** @type {string} */ spec) => /** @type {any} */ (Object(ask.querySelector('.end ' + spec))).value;
  const words = el('textarea.in', {
    rows: 2,
    maxlength: 2000,
    'aria-label': t('chatRateText'),
    placeholder: t('chatRateText'),
  });
  words.value = loader.text(before('textarea'));
  const mail = el('input.in', {
    type: 'email',
    autocomplete: 'email',
    'aria-label': t('chatMail'),
    placeholder: t('chatMail'),
  });
  mail.value = loader.text(before('input') ?? asObject(w.core.state().form).mail);
  const rate = async () => {
    const body = {score: w.score, text: words.value.trim()};
    try {
      await w.call1('POST', '/rating', {body});
      store.chat.rating = body;
      w.core.fire('rating', body);
    } catch (error) {
      w.say(reason(t, /** @type {any} */ (error), true));
    }
    w.draw();
  };
  const copy = async () => {
    if (!/^[^\s@]+@[^\s@]+$/.test(mail.value.trim())) return mail.focus();
    try {
      await w.call1('POST', '/transcript', {body: {mail: mail.value.trim()}});
      w.copied = true;
    } catch (error) {
      w.say(reason(t, /** @type {any} */ (error)));
    }
    w.draw();
  };
  // Whoever was at what goes now is at what comes, so that keys, Escape among them, still reach the panel.
  const {activeElement} = w.core.shadow;
  const inside = !w.node.hidden && (w.composer.contains(activeElement) || ask.contains(activeElement));
  const low = w.atBottom();
  ask.replaceChildren(
    el(
      'div.end',
      null,
      el('p', null, t('chatClosed')),
      info.rating !== false &&
        (rating
          ? el('p.soft', {role: 'status'}, t('chatRated'))
          : [
              el('strong', null, t('chatRate')),
              stars,
              w.score > 0 && [words, el('button.main', {onclick: rate}, t('chatSend'))],
            ]),
      info.transcript !== false &&
        (w.copied
          ? el('p.soft', {role: 'status'}, t('chatTranscriptSent'))
          : el('div.copy', null, mail, el('button.quiet', {onclick: copy}, t('chatTranscript')))),
      el('button.main', {onclick: () => startAgain(w)}, t('chatAgain')),
    ),
  );
  w.composer.hidden = true;
  if (low) w.bottom();
  const next = ask.querySelector('[aria-checked=true]') || ask.querySelector('[tabindex="0"], button');
  if (inside && next) /** @type {HTMLElement} */ (next).focus({preventScroll: true});
}
