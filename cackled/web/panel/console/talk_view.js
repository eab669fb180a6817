// A conversation: its head, the messages, who is here, and the place to write.
import {html, useEffect, useLayoutEffect, useMemo, useRef, useState} from '../libraries.js';
import {Rich} from '../queue/rich.js';
import {complain} from '../toasts.js';
import {Avatar, Name} from '../ui/parts.js';
import {day, moment, reason, t} from '../words.js';
import {Composer} from './composer.js';
import {Files} from './files.js';
import {holder, time, whole} from './kinds.js';
import {Ask, translateDeeds, Translated, Translating} from './translate_view.js';
import {Bar, clock, happened, Menu} from './parts.js';

/** @typedef {import('./kinds.js').Message} Message */

/** Milliseconds within which messages of one person are one group. */
const GROUP = 120_000;
/** Minutes in which one's own message can be changed; the server has the last word. */
const CHANGE = 15;

/** @param {Message} one */
const dayOf = one => new Date(one.created).toDateString();

/** Messages with what stands between them. @param {Message[]} messages */
function arrange(messages) {
  return messages.map((one, at) => {
    const before = messages[at - 1];
    const same =
      before &&
      before.from === one.from &&
      before.kind === one.kind &&
      String(before.author?.id ?? '') === String(one.author?.id ?? '') &&
      time(one.created) - time(before.created) < GROUP;
    return {one, day: !before || dayOf(before) !== dayOf(one), first: !same || dayOf(before) !== dayOf(one)};
  });
}

/**
 * @param {{work: import('./work.js').Work, talk: import('./talk.js').Talk, deeds: any, onBack: () => void, onCard: () => void, shown: boolean}} props
 */
export function TalkView({work, talk, deeds, onBack, onCard, shown}) {
  const chat = talk.chat.value;
  const name = chat?.visitor?.name || t('guest');
  const held = chat && holder(chat);
  const mine = held && String(held.id) === work.person.id;
  const guests = chat?.guests || [];
  const helps = guests.some(one => String(one.id) === work.person.id);
  return html`<section class="talk" aria-label=${t('chat.with', {name})}>
    <header class="talk-head">
      <button type="button" class="icon back" aria-label=${t('chat.back')} onClick=${onBack}>‹</button>
      <${Avatar} name=${name} id=${talk.id} />
      <div class="talk-who">
        <h2>
          <${Name}
            name=${chat?.visitor?.name}
          />${chat?.visitor?.verified && html` <span class="good" role="img" aria-label=${t('chat.verified')} title=${t('chat.verified')}>✓</span>`}
        </h2>
        <p class="muted">
          ${
            chat &&
            html`${t(`chat.state.${whole(chat)}`)}${held && html` · <bdi>${mine ? t('you') : held.name}</bdi>`}${guests.map(one => html`, <bdi key=${one.id}>${String(one.id) === work.person.id ? t('you') : one.name}</bdi>`)}${
              chat.rating && html` · ${t('chat.rated', {n: chat.rating.score})}`
            }`
          }
        </p>
      </div>
      ${chat && html`<${Deeds} chat=${chat} mine=${mine} helps=${helps} deeds=${deeds} more=${translateDeeds(work, talk)} />`}
      <button
        type="button"
        class="icon card-toggle"
        aria-label=${t('chat.card')}
        title=${t('chat.card')}
        onClick=${onCard}
      >
        <svg
          viewBox="0 0 20 20"
          width="18"
          height="18"
          aria-hidden="true"
          fill="none"
          stroke="currentColor"
          stroke-width="1.6"
        >
          <circle cx="10" cy="10" r="7.5" />
          <path d="M10 9v5M10 6v.5" />
        </svg>
      </button>
    </header>
    <${Company} talk=${talk} />
    <${Translating} work=${work} talk=${talk} />
    ${
      talk.error.value && !talk.loaded.value
        ? html`<div class="empty" role="alert">
            <p>${reason(talk.error.value)}</p>
            <button type="button" onClick=${() => talk.load()}>${t('again')}</button>
          </div>`
        : html`<${Log} work=${work} talk=${talk} shown=${shown} />`
    }
    ${talk.collision.value && html`<${Collided} talk=${talk} />`}
    ${chat && html`<${Composer} work=${work} talk=${talk} deeds=${deeds} mine=${mine} key=${talk.id} />`}
  </section>`;
}

/** What can be done with a chat: the next step as buttons, the rest in a menu. @param {{chat: any, mine: any, helps: boolean, deeds: any, more: any[]}} props */
function Deeds({chat, mine, helps, deeds, more}) {
  const closed = chat.state === 'closed';
  const rest = [
    ...(closed
      ? []
      : [
          {label: t('chat.do.transfer'), act: () => deeds.open('transfer')},
          {label: t('chat.do.invite'), act: () => deeds.open('invite')},
        ]),
    ...(!closed && (mine || helps) ? [{label: t('chat.do.leave'), act: deeds.leave}] : []),
    ...(chat.state === 'open' ? [{label: t('chat.do.snooze'), act: () => deeds.open('snooze')}] : []),
    {label: t('chat.do.labels'), act: () => deeds.open('labels')},
    ...more,
    {label: t('chat.do.block'), act: () => deeds.open('block'), kind: 'danger'},
    {label: t('chat.do.spam'), act: () => deeds.spam(), kind: 'danger'},
  ];
  return html`<div class="talk-deeds">
    ${!closed && !mine && html`<button type="button" class=${chat.state === 'waiting' ? 'primary' : ''} onClick=${deeds.take}>${t('chat.do.take')} <kbd>t</kbd></button>`}
    ${!closed && mine && html`<button type="button" onClick=${() => deeds.open('close')}>${t('chat.do.close')} <kbd>e</kbd></button>`}
    ${closed && html`<button type="button" onClick=${deeds.reopen}>${t('chat.do.reopen')} <kbd>o</kbd></button>`}
    <${Menu} label=${t('actions')} icon="⋯" deeds=${rest} />
  </div>`;
}

/** Who looks, and who writes a reply: so that nobody answers twice. @param {{talk: import('./talk.js').Talk}} props */
function Company({talk}) {
  const viewers = talk.viewers.value;
  const writing = talk.typists.value.filter(one => one.by === 'operator');
  if (writing.length)
    return html`<${Bar} kind="warn"
      >${t('chat.replying', {names: writing.map(one => one.name || t('somebody')).join(', ')})}<//
    >`;
  if (viewers.length)
    return html`<${Bar}
      >${t('chat.viewing', {n: viewers.length, names: viewers.map(one => one.name || t('somebody')).join(', ')})}<//
    >`;
  return null;
}

/** A reply that met newer messages. @param {{talk: import('./talk.js').Talk}} props */
function Collided({talk}) {
  const held = talk.collision.value;
  const node = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => node.current?.focus(), []);
  if (!held) return null;
  return html`<div class="collision" role="alertdialog" aria-label=${t('chat.newer')} tabindex="-1" ref=${node}>
    <strong>${held.gone === 'assigned' ? t('chat.assigned_only') : t('chat.newer')}</strong>
    ${
      held.messages.length > 0 &&
      html`<ul>
        ${held.messages.map(one => html`<li key=${one.id}><${Name} name=${one.author?.name} />: <span dir="auto">${one.text}</span></li>`)}
      </ul>`
    }
    <p class="muted">${t('chat.yours')} <span dir="auto">${held.text}</span></p>
    <div class="actions">
      ${held.gone === 'newer' && html`<button type="button" class="primary" onClick=${() => talk.settle(true).catch(complain)}>${t('chat.anyway')}</button>`}
      <button type="button" onClick=${() => talk.settle(false)}>${t('chat.rewrite')}</button>
    </div>
  </div>`;
}

/** @param {{work: import('./work.js').Work, talk: import('./talk.js').Talk, shown: boolean}} props */
function Log({work, talk, shown}) {
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const bottom = useRef(true);
  const [behind, setBehind] = useState(0);
  const messages = talk.messages.value;
  const pending = talk.pending.value;
  const arranged = useMemo(() => arrange(messages), [messages]);
  // A message that did not change is the same node: Preact looks no further, however many there are.
  const drawn = useRef(/** @type {Map<string, {one: Message, head: boolean, node: any}>} */ (new Map()));
  if (drawn.current.size > 2 * messages.length + 50) drawn.current.clear();
  const line = (/** @type {Message} */ one, /** @type {boolean} */ head) => {
    const had = drawn.current.get(one.id);
    if (had && had.one === one && had.head === head) return had.node;
    const node = html`<${Line} key=${one.id} work=${work} talk=${talk} one=${one} head=${head} />`;
    drawn.current.set(one.id, {one, head, node});
    return node;
  };
  const last = messages.at(-1)?.id;
  const first = messages[0]?.id;
  const was = useRef({first: '', height: 0});
  const looked = () => {
    if (shown && bottom.current && document.visibilityState === 'visible' && document.hasFocus()) talk.look();
  };
  useLayoutEffect(() => {
    const node = box.current;
    if (!node) return;
    // What came above leaves what is read where it stands.
    if (was.current.first && first !== was.current.first && !bottom.current) {
      node.scrollTop += node.scrollHeight - was.current.height;
    } else if (bottom.current) {
      node.scrollTop = node.scrollHeight;
      setBehind(0);
    } else if (messages.at(-1)?.from !== 'operator') setBehind(n => n + 1);
    was.current = {first: first || '', height: node.scrollHeight};
    looked();
  }, [last, first, pending.length, talk.typists.value.length, talk.loaded.value]);
  useEffect(() => {
    addEventListener('focus', looked);
    document.addEventListener('visibilitychange', looked);
    // Pictures and the keyboard of a phone change what fits.
    const watch = new ResizeObserver(() => {
      if (bottom.current && box.current) box.current.scrollTop = box.current.scrollHeight;
    });
    if (box.current) watch.observe(box.current);
    looked();
    return () => {
      removeEventListener('focus', looked);
      document.removeEventListener('visibilitychange', looked);
      watch.disconnect();
    };
  }, [shown, talk]);
  const scrolled = () => {
    const node = /** @type {HTMLElement} */ (box.current);
    bottom.current = node.scrollHeight - node.scrollTop - node.clientHeight < 60;
    talk.following = bottom.current;
    if (bottom.current) {
      setBehind(0);
      looked();
    }
  };
  const down = () => {
    const node = /** @type {HTMLElement} */ (box.current);
    node.scrollTop = node.scrollHeight;
  };
  const typing = talk.typists.value.find(one => one.by === 'visitor');
  return html`<div class="log-box">
    <div class="log" ref=${box} onScroll=${scrolled} tabindex="0" role="region" aria-label=${t('chat.messages')}>
      ${talk.earlierLeft.value && html`<button type="button" class="link earlier" disabled=${talk.loading.value} onClick=${() => talk.earlier().catch(complain)}>${t('chat.earlier')}</button>`}
      ${!talk.loaded.value && html`<div class="skeleton" aria-label=${t('loading')}>${[1, 2, 3].map(one => html`<div key=${one}></div>`)}</div>`}
      <div role="log" aria-live=${talk.loaded.value ? 'polite' : 'off'} class="log-list">
        ${arranged.map(
          ({one, day: begins, first: head}) => html`
            ${begins && html`<p class="day" key=${`day-${one.id}`}><span>${day(one.created)}</span></p>`}
            ${line(one, head)}
          `,
        )}
        ${pending.map(one => html`<${Waiting} key=${one.key} talk=${talk} one=${one} />`)}
      </div>
      <p class="typing muted" role="status">
        ${typing ? t('chat.typing', {name: typing.name || talk.chat.value?.visitor?.name || t('guest')}) : ''}
      </p>
    </div>
    ${behind > 0 && html`<button type="button" class="down" onClick=${down}>${t('chat.down', {n: behind})} ↓</button>`}
  </div>`;
}

/** @param {{work: import('./work.js').Work, talk: import('./talk.js').Talk, one: Message, head: boolean}} props */
function Line({work, talk, one, head}) {
  const [edit, setEdit] = useState(/** @type {string | null} */ (null));
  if (one.kind === 'event' || one.from === 'system')
    return html`<p class="happened muted">
      ${one.event ? happened(one.event, one.author?.name) : one.text}${' · '}
      <time datetime=${one.created} title=${moment(one.created)}>${clock(one.created)}</time>
    </p>`;
  const note = one.kind === 'note';
  const ours = one.from !== 'visitor';
  const own = ours && String(one.author?.id ?? '') === work.person.id;
  const fresh = Date.now() - time(one.created) < CHANGE * 60_000;
  const read = talk.readByVisitor.value;
  const save = async (/** @type {Event} */ event) => {
    event.preventDefault();
    try {
      const made = await work.calls.edit(talk.id, one.id, String(edit).trim());
      if (made?.message) talk.put([made.message], Number.MAX_SAFE_INTEGER);
      setEdit(null);
    } catch (error) {
      complain(error);
    }
  };
  const unsay = async () => {
    try {
      const made = await work.calls.unsay(talk.id, one.id);
      talk.put([made?.message || {...one, deleted: true, text: '', html: '', files: []}], Number.MAX_SAFE_INTEGER);
    } catch (error) {
      complain(error);
    }
  };
  return html`<article class=${`line ${ours ? 'ours' : 'theirs'}${note ? ' note' : ''}${head ? ' head' : ''}`}>
    ${head && html`<p class="by muted">${note ? html`${t('chat.note.by')} ` : ''}${one.from === 'bot' ? `${t('chat.bot')} ` : ''}<${Name} name=${own ? t('you') : one.author?.name || (ours ? '' : talk.visitorName.value)} /></p>`}
    <div class="bubble" title=${moment(one.created)}>
      ${
        one.deleted
          ? html`<em class="muted">${t('chat.deleted')}</em>`
          : edit !== null
            ? html`<form class="stack" onSubmit=${save}>
                <textarea
                  aria-label=${t('chat.edit')}
                  rows="3"
                  maxlength="10000"
                  value=${edit}
                  onInput=${(/** @type {any} */ event) => setEdit(event.currentTarget.value)}
                  onKeyDown=${(/** @type {KeyboardEvent} */ event) => event.key === 'Escape' && setEdit(null)}
                ></textarea>
                <div class="actions">
                  <button class="primary" disabled=${!edit.trim()}>${t('save')}</button>
                  <button type="button" onClick=${() => setEdit(null)}>${t('cancel')}</button>
                </div>
              </form>`
            : html`${one.html ? html`<${Rich} text=${one.html} />` : one.text && html`<p class="plain" dir="auto">${one.text}</p>`}
                <${Translated} work=${work} talk=${talk} one=${one} />
                <${Files} files=${one.files || []} chat=${talk.id} />`
      }
    </div>
    ${(one.quick || []).length > 0 && html`<p class="quick">${(one.quick || []).map(text => html`<span key=${text} class="mark">${text}</span>`)}</p>`}
    <p class="marks muted">
      <time datetime=${one.created}>${clock(one.created)}</time>
      ${one.edited && html`<span>${t('chat.edited')}</span>`}
      ${!note && !one.deleted && html`<${Ask} work=${work} talk=${talk} one=${one} />`}
      ${ours && !note && !one.deleted && html`<span>${(one.seq || 0) <= read ? t('chat.read') : t('chat.sent')}</span>`}
      ${
        own &&
        fresh &&
        !one.deleted &&
        edit === null &&
        html`<${Menu}
          label=${t('chat.message.deeds')}
          icon="⋯"
          deeds=${[
            ...(note ? [] : [{label: t('chat.edit'), act: () => setEdit(one.text)}]),
            {label: t('do.delete'), act: unsay, kind: 'danger'},
          ]}
        />`
      }
    </p>
  </article>`;
}

/** What is not acknowledged yet. @param {{talk: import('./talk.js').Talk, one: any}} props */
function Waiting({talk, one}) {
  return html`<article class="line ours waiting head">
    <div class="bubble">
      ${one.text && html`<p class="plain" dir="auto">${one.text}</p>`}
      ${one.original && html`<p class="translated plain" dir="auto">${one.original.text}</p>`}
      <${Files} files=${one.files} chat=${talk.id} />
    </div>
    <p class="marks muted">
      ${
        one.state === 'failed' || one.state === 'refused'
          ? html`<span class="wrong" role="alert">${reason(one.error)}</span>
              ${one.state === 'failed' && html`<button type="button" class="link" onClick=${() => talk.again(one.key)}>${t('again')}</button>`}
              <button type="button" class="link" onClick=${() => talk.back(one.key)}>${t('chat.rewrite')}</button>`
          : t('chat.sending')
      }
    </p>
  </article>`;
}
