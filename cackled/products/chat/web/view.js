/* Draws the panel around the conversation: its head, forms and offers, the line of status. */
import {makeForm} from './forms.js';
import {face} from './talk.js';
import {el, icon} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {asObject} from '../../../web/lib/values.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */

const NAME = /** @type {const} */ ({name: 'name', kind: 'text', label: ''});
export const BELL = 'M5 14h10l-1.3-2V9a3.7 3.7 0 0 0-7.4 0v3zM8.7 16.5h2.6';
export const MUTED = BELL + 'M3.5 3.5l13 13';

/**
 * @param {ChatPanel} w
 */
export function draw(w) {
  const {t, store, core, info} = w;
  const {state, operator} = store.chat;
  const running = !!core.state().chat;
  const greeting = asObject(info.greeting);
  const person = operator || {id: '', name: loader.text(greeting.name), avatar: greeting.avatar};
  const there = operator || info.status === 'online';
  w.head.replaceChildren(
    ...(person.name ? [face(w, person)] : []),
    el(
      'div.titles',
      null,
      el('strong', {dir: 'auto'}, person.name || t('chatTitle')),
      el(
        'span.sub',
        null,
        el('i.dot' + (there ? '.on' : '')),
        t(there ? 'chatOnline' : info.status === 'away' ? 'chatAway' : 'chatOffline'),
      ),
    ),
  );
  const offline = w.loaded && !info.accepting && info.status !== 'online';
  const opening = info.next_opening && new Date(info.next_opening);
  w.hello.replaceChildren(
    el('p', {dir: 'auto'}, loader.text(greeting.text) || t('chatHello')),
    ...(offline && !running
      ? [
          el(
            'p.soft',
            null,
            t('chatLeave') +
              (opening && !isNaN(+opening)
                ? ' ' +
                  t('chatOpening', {
                    time: new Intl.DateTimeFormat(t.lang, {weekday: 'long', hour: 'numeric', minute: '2-digit'}).format(
                      opening,
                    ),
                  })
                : ''),
          ),
        ]
      : []),
  );
  w.hello.hidden = store.more;
  w.older.hidden = !store.more;
  const low = w.atBottom();
  w.talk.draw();
  drawAsk(w, running, offline);
  const over = !running || state === 'closed';
  // At the end it goes once there is something else to be at (ending.js).
  if (state !== 'closed') w.composer.hidden = false;
  w.finish.hidden = over;
  w.clip.hidden = over || !info.pictures;
  const bell = w.duty.bell();
  if (!w.clip.hidden && w.node.contains(core.shadow.activeElement)) w.open();
  w.notify.hidden = over || !bell || !bell.askable();
  if (w.error) w.say(w.error);
  w.drawStatus();
  if (low) w.bottom();
}

/**
 * The form before a conversation, or what is asked at its end.
 * @param {ChatPanel} w
 * @param {boolean} running
 * @param {boolean} offline
 */
function drawAsk(w, running, offline) {
  const {t, store, info, ask} = w;
  const {state, rating} = store.chat;
  const kind = !running
    ? w.loaded
      ? offline
        ? 'offline'
        : 'before'
      : ''
    : state === 'closed'
      ? 'end'
      : w.quick().join('\n') && 'quick';
  const said = [kind, w.score, rating && rating.score, w.copied, store.pending.length, w.quick()].join('|');
  if (said === w.asked && (w.form || !/^(offline|before)/.test(said) || !w.hasForm)) return;
  w.asked = said;
  if (kind === 'before' || kind === 'offline') {
    if (w.form && w.formKind === kind) return;
    const {mail, name} = w.duty.profile();
    const own = (kind === 'before' ? info.before : info.offline) || [];
    const fields =
      kind === 'offline' && !own.length
        ? [
            {...NAME, label: t('chatName')},
            {name: 'mail', kind: /** @type {const} */ ('mail'), label: t('chatMail'), required: true},
          ]
        : [...own];
    const departments = info.departments || [];
    if (departments.length > 1)
      fields.push({
        name: 'department',
        kind: 'choice',
        label: t('chatDepartment'),
        options: departments.map((/** @type {any} */ one) => one.name),
      });
    const wanted = fields.filter(one => !((one.name === 'mail' && mail) || (one.name === 'name' && name)));
    w.hasForm = !!(wanted.length || info.consent);
    w.formKind = kind;
    w.form = w.hasForm ? makeForm(wanted, loader.text(info.consent), asObject(w.core.state().form), t) : null;
    ask.replaceChildren(...(w.form ? [w.form.node] : []));
  } else if (kind === 'quick') {
    ask.replaceChildren(
      el(
        'div.quick',
        null,
        w.quick().map(one => el('button', {onclick: () => w.write(one)}, one)),
      ),
    );
  } else if (kind === 'end')
    import('./ending.js').then(
      one => one.drawEnd(w),
      () => (w.asked = ''),
    );
  else ask.replaceChildren();
}

/**
 * @param {ChatPanel} w
 */
export function drawStatus(w) {
  const {t, store} = w;
  const {state, position, wait} = store.chat;
  const name = store.writing(Date.now());
  const words = name
    ? t('chatTyping', {name: name === '…' ? t('staff') : name})
    : w.sub && w.line === 'down'
      ? t('offline')
      : state === 'waiting'
        ? [
            position ? t('chatPlace', {n: position}) : t('chatWaiting'),
            wait ? t('chatWait', {n: Math.max(1, Math.ceil(wait / 60))}) : '',
          ].join(' ')
        : state === 'offline'
          ? t('chatKept')
          : '';
  if (w.status.textContent !== words) w.status.textContent = words;
  const bell = w.duty.bell();
  const quiet = !!w.core.state().muted || !!(bell && !bell.able());
  if (w.sound.dataset.quiet !== '' + quiet) {
    w.sound.dataset.quiet = '' + quiet;
    const says = t(quiet ? 'chatSoundOff' : 'chatSoundOn');
    w.sound.setAttribute('aria-label', says);
    w.sound.title = says;
    w.sound.replaceChildren(icon(quiet ? MUTED : BELL));
  }
}
