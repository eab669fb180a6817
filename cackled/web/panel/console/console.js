// The operators' console, a bundle of its own: it is fetched when somebody opens it.
import {html, useEffect, useState} from '../libraries.js';
import {useKeys} from '../keys.js';
import {part as lazy} from '../lazy.js';
import {address, go, guard, path, query, setQuery} from '../router.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading} from '../ui/parts.js';
import {extend, reason, t} from '../words.js';
import {DeskBar} from './desk_bar.js';
import {Lists, Rows, wanted} from './list.js';
import english from './locales/en.json' with {type: 'json'};
import {Bar} from './parts.js';
import {workOn} from './work.js';

/** The words of the console, before it is shown. */
export const ready = () => extend('chat', /** @type {any} */ (english.panel));

/** Milliseconds after which the parts of an open chat are fetched, if none was opened before. */
const SOON = 2_000;

/** @type {Promise<any> | null} */
let asked = null;
/** What an open chat is drawn with, a bundle of its own: the lists stand before it comes. */
const fetchTalk = () =>
  (asked ??= (async () => (await lazy('consoletalk.js')).talk)().catch(error => {
    asked = null;
    throw error;
  }));

const PARTS = ['board', 'report', 'replies', 'macros', 'departments', 'hours', 'setup'];

/** @param {{site: string, part?: string}} props */
export function ChatPages({site, part = ''}) {
  const work = workOn(site);
  const known = PARTS.includes(part);
  useEffect(() => {
    if (part && !known) go(`/sites/${site}/chat`, {replace: true});
  }, [part]);
  return known
    ? html`<${Beside} site=${site} work=${work} part=${part} />`
    : html`<${ConsolePage} site=${site} work=${work} />`;
}

/** A page beside the console. @param {{site: string, work: import('./work.js').Work, part: string}} props */
function Beside({part, ...props}) {
  const loaded = useLoad(async () => {
    const {pages, ready: words} = await lazy('consolepages.js');
    await words();
    return pages;
  }, []);
  return html`<${Loaded} from=${loaded}>
    ${(/** @type {Record<string, any>} */ pages) => html`<${pages[part]} key=${part} ...${props} />`}
  <//>`;
}

/** @param {{site: string, work: import('./work.js').Work}} props */
function ConsolePage({site, work}) {
  const {store} = work;
  const {list, found} = wanted();
  const chat = query.value.get('chat') || '';
  const [dialog, setDialog] = useState('');
  const [card, setCard] = useState(false);
  const [calm, setCalm] = useState(false);
  const drawn = useLoad(async () => (chat || calm ? fetchTalk() : undefined), [!!chat || calm]);
  const {Card, DeedDialog, TalkView, deedsOf} = drawn.value || /** @type {any} */ ({});
  useEffect(() => {
    const timer = setTimeout(() => setCalm(true), SOON);
    return () => clearTimeout(timer);
  }, []);
  const key = JSON.stringify(found);
  useEffect(() => {
    store.show(list, found);
  }, [list, key, store]);
  useEffect(() => {
    setDialog('');
    setCard(false);
    if (chat) store.enter(chat);
    else store.current.value = '';
  }, [chat, store]);
  useEffect(
    () => () => {
      store.current.value = '';
    },
    [store],
  );
  useEffect(() => guard(() => ([...store.talks.values()].some(one => one.dirty) ? t('unsaved') : '')), [store]);
  const show = (/** @type {string} */ id) => {
    if (id) setQuery({chat: id}, {replace: !!chat});
  };
  const away = () => setQuery({chat: ''}, {replace: false});
  const talk = chat ? store.talks.get(chat) || null : null;
  const deeds = talk && deedsOf?.(work, talk, setDialog, away);
  const here = talk?.chat.value;
  const mode = (/** @type {'reply' | 'note'} */ one) => {
    if (!talk) return;
    talk.mode.value = one;
    setTimeout(() => /** @type {HTMLElement | null} */ (document.querySelector('.composer textarea'))?.focus());
  };
  const held = store.open.value;
  const barred = work.desk.error.value;
  const around = (/** @type {number} */ step) => {
    const at = held.indexOf(chat);
    show(held[(at + step + held.length) % held.length] || '');
  };
  useKeys([
    {key: 'j', label: t('key.next'), act: () => show(store.neighbour(1))},
    {key: 'k', label: t('key.previous'), act: () => show(store.neighbour(-1))},
    {key: ']', label: t('chat.key.tab'), act: () => around(1)},
    {key: '[', label: t('chat.key.tab_back'), act: () => around(-1)},
    {key: '/', label: t('chat.search'), act: () => document.getElementById('chat-search')?.focus()},
    ...(talk && here && deeds
      ? [
          {key: 'r', label: t('chat.reply'), act: () => mode('reply')},
          {key: 'n', label: t('chat.note'), act: () => mode('note')},
          {key: 't', label: t('chat.do.take'), act: () => here.state !== 'closed' && void deeds.take()},
          {key: 'e', label: t('chat.do.close'), act: () => here.state !== 'closed' && setDialog('close')},
          {key: 'o', label: t('chat.do.reopen'), act: () => here.state === 'closed' && void deeds.reopen()},
          {key: 'm', label: t('chat.do.transfer'), act: () => here.state !== 'closed' && setDialog('transfer')},
          {key: 's', label: t('chat.do.snooze'), act: () => here.state !== 'closed' && setDialog('snooze')},
          {key: 'l', label: t('chat.do.labels'), act: () => setDialog('labels')},
          {key: 'i', label: t('chat.card'), act: () => setCard(!card)},
        ]
      : []),
    ...(talk ? [{key: 'Escape', label: t('chat.back'), act: () => (card ? setCard(false) : away())}] : []),
  ]);
  return html`<div class=${`console${chat ? ' talking' : ''}${card ? ' carded' : ''}`}>
    <div class="chat-side">
      <${Heading} aside=${html`<${Tabs} site=${site} />`}>${t('nav.chat')}<//>
      <${DeskBar} work=${work} />
      <${Lists} work=${work} />
      <${Rows} work=${work} onOpen=${show} />
    </div>
    <div class="chat-main">
      <h1 class="sr narrow-only">${t('nav.chat')}</h1>
      ${(barred || !work.live.value || work.desk.lost.value) && html`<${Bar} kind="warn">${barred ? reason(barred) : work.desk.lost.value ? t('chat.lost') : t('queue.offline')}<//>`}
      ${
        held.length > 0 &&
        html`<div class="held" role="group" aria-label=${t('chat.held')}>
          ${held.map(id => html`<${Held} key=${id} work=${work} id=${id} current=${id === chat} onAway=${away} />`)}
        </div>`
      }
      ${
        talk
          ? html`<${Loaded} from=${drawn}>
              ${() =>
                TalkView &&
                html`<${TalkView}
                  key=${talk.id}
                  work=${work}
                  talk=${talk}
                  deeds=${deeds}
                  shown=${true}
                  onBack=${away}
                  onCard=${() => setCard(!card)}
                />`}
            <//>`
          : html`<div class="chat-empty muted">
              <p>${store.counts.value.waiting ? t('chat.waiting', {n: store.counts.value.waiting}) : t('chat.calm')}</p>
              <p class="keys-hint">${t('chat.keys_hint')}</p>
            </div>`
      }
    </div>
    ${talk && Card && html`<${Card} work=${work} talk=${talk} deeds=${deeds} onBack=${() => setCard(false)} />`}
    ${talk && dialog && DeedDialog && html`<${DeedDialog} what=${dialog} work=${work} talk=${talk} deeds=${deeds} onClose=${() => setDialog('')} />`}
  </div>`;
}

/** A chat that is held open. @param {{work: import('./work.js').Work, id: string, current: boolean, onAway: () => void}} props */
function Held({work, id, current, onAway}) {
  const talk = work.store.talks.get(id);
  const name = talk?.chat.value?.visitor?.name || t('guest');
  const unread = current ? 0 : talk?.unread || 0;
  const draft = !!talk?.drafts.reply.value;
  return html`<span class=${`held-one${current ? ' current' : ''}${unread ? ' unread' : ''}`}>
    <a
      href=${address(path.value, {...Object.fromEntries(query.value), chat: id})}
      aria-current=${current ? 'true' : null}
      ><bdi>${name}</bdi
      >${draft && !current && html` <span title=${t('chat.draft')} role="img" aria-label=${t('chat.draft')}>✎</span>`}${unread > 0 && html` <span class="count" aria-label=${t('chat.unread', {n: unread})}>${unread}</span>`}</a
    >
    <button
      type="button"
      class="icon"
      aria-label=${t('chat.put', {name})}
      onClick=${() => {
        if (current) onAway();
        work.store.put(id);
      }}
    >
      ×
    </button>
  </span>`;
}

/** The other pages of the chat. @param {{site: string}} props */
export function Tabs({site}) {
  return html`<a class="button" href=${address(`/sites/${site}/chat/board`)}>${t('chat.board')}</a>`;
}
