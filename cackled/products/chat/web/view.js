/* Draws the panel around the conversation: its head, forms and offers, the line of status. */
import {makeForm} from './forms.js';
import {face} from './talk.js';
import {el, icon} from '../../../web/lib/dom.js';
import {loader} from '../../../web/lib/loader.js';
import {serverNow} from '../../../web/lib/time.js';
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
  const chosen = w.form ? w.form.values().department : loader.text(asObject(core.state().form).department);
  const department = (info.departments || []).find(
    (/** @type {any} */ one) => one.id === w.duty.department() || one.name === chosen,
  );
  const offline = (w.offline =
    w.loaded && (department ? department.status !== 'online' : !info.accepting && info.status !== 'online'));
  // Nobody is there, and nothing is taken.
  const shut = offline && !running && info.leave === false;
  const opening = Date.parse(info.next_opening);
  const ahead = opening - serverNow();
  w.hello.replaceChildren(
    el('p', {dir: 'auto'}, loader.text(greeting.text) || t('chatHello')),
    ...(offline && !running
      ? [
          el(
            'p.soft',
            null,
            t(shut ? 'chatOffline' : 'chatLeave') +
              (ahead > 0
                ? ' ' +
                  t('chatOpening', {
                    time: new Intl.DateTimeFormat(t.lang, {
                      weekday: 'long',
                      hour: 'numeric',
                      minute: '2-digit',
                      // A day of the week is said of those that are near.
                      ...(ahead > 6 * 864e5 && {day: 'numeric', month: 'long'}),
                    }).format(opening),
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
  drawAsk(w, running, offline, shut);
  const over = !running || state === 'closed';
  // At the end it goes once there is something else to be at (ending.js).
  if (state !== 'closed') {
    // Keys, Escape among them, still reach the panel.
    if (shut && w.composer.contains(core.shadow.activeElement)) w.sound.focus();
    w.composer.hidden = shut;
  }
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
 * @param {boolean} shut
 */
function drawAsk(w, running, offline, shut) {
  const {t, store, info, ask} = w;
  const {state, rating} = store.chat;
  const kind = !running
    ? w.loaded && !shut
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
    const inside = ask.contains(w.core.shadow.activeElement);
    const known = {...asObject(w.core.state().form), ...(w.form && w.form.values())};
    w.form = w.hasForm ? makeForm(wanted, loader.text(info.consent), known, t, () => w.draw()) : null;
    ask.replaceChildren(...(w.form ? [w.form.node] : []));
    if (inside && w.form) w.form.focus('department');
  } else if (kind === 'quick') {
    ask.replaceChildren(
      el(
        'div.quick',
        null,
        w.quick().map(one => el('button', {onclick: () => w.write(one)}, one)),
      ),
    );
  } else if (kind === 'end') w.late(() => import('./ending.js')).then(one => w.asked === said && one.drawEnd(w));
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
  const quiet = !!w.core.state().muted || (bell ? !bell.able() : !!w.token);
  if (w.sound.dataset.quiet !== '' + quiet) {
    w.sound.dataset.quiet = '' + quiet;
    const says = t(quiet ? 'chatSoundOff' : 'chatSoundOn');
    w.sound.setAttribute('aria-label', says);
    w.sound.title = says;
    w.sound.replaceChildren(icon(quiet ? MUTED : BELL));
  }
}
