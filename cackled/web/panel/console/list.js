// The lists of chats: which one, what is looked for, and its rows; only those near the window stand in the page.
import {html, useEffect, useRef, useState} from '../libraries.js';
import {address, path, query, setQuery} from '../router.js';
import {Avatar, Name} from '../ui/parts.js';
import {ago, moment, number, reason, t} from '../words.js';
import {holder, LISTS, time, whole} from './kinds.js';
import {plainTime, useNow} from './parts.js';

/** Points; a row is that high, whatever it says. */
const ROW = 76;
const BEYOND = 10;

/** What the address looks for. @returns {{list: string, found: Record<string, string>}} */
export function wanted() {
  const values = query.value;
  const list = LISTS.includes(values.get('list') || '') ? String(values.get('list')) : 'waiting';
  /** @type {Record<string, string>} */
  const found = {};
  for (const name of ['q', 'department', 'label']) if (values.get(name)) found[name] = String(values.get(name));
  return {list, found};
}

/** @param {{work: import('./work.js').Work}} props */
export function Lists({work}) {
  const {list, found} = wanted();
  const counts = work.store.counts.value;
  const [text, setText] = useState(found.q || '');
  const timer = useRef(/** @type {any} */ (null));
  useEffect(() => setText(found.q || ''), [found.q]);
  const search = (/** @type {string} */ q) => {
    setText(q);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setQuery({q: q.trim()}), 300);
  };
  const departments = work.departments.value;
  return html`<nav class="chat-lists" aria-label=${t('chat.lists')}>
      ${LISTS.map(one => {
        const many = counts[one] || 0;
        return html`<a
          key=${one}
          href=${address(path.value, {...Object.fromEntries(query.value), list: one})}
          aria-current=${one === list ? 'page' : null}
          class=${one === 'waiting' && many ? 'loud' : ''}
          >${t(`chat.list.${one}`)}${many > 0 && ['waiting', 'mine'].includes(one) && html` <span class="count">${number(many)}</span>`}</a
        >`;
      })}
    </nav>
    <div class="chat-search" role="search">
      <input
        id="chat-search"
        type="search"
        aria-label=${t('chat.search')}
        placeholder=${t('chat.search')}
        maxlength="200"
        value=${text}
        onInput=${(/** @type {any} */ event) => search(event.currentTarget.value)}
      />
      ${
        departments.length > 0 &&
        html`<select
          aria-label=${t('chat.department')}
          value=${found.department || ''}
          onChange=${(/** @type {any} */ event) => setQuery({department: event.currentTarget.value})}
        >
          <option value="">${t('chat.department.all')}</option>
          ${departments.map(one => html`<option key=${one.id} value=${String(one.id)} selected=${String(one.id) === found.department}>${one.name}</option>`)}
        </select>`
      }
      ${
        found.label &&
        html`<button type="button" class="mark" onClick=${() => setQuery({label: ''})}>
          ${t('chat.label.filter', {name: found.label})} ×
        </button>`
      }
    </div>`;
}

/** @param {{work: import('./work.js').Work, onOpen: (id: string) => void}} props */
export function Rows({work, onOpen}) {
  const {store} = work;
  const rows = store.rows.value;
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const [place, setPlace] = useState({top: 0, height: 800});
  const measure = () => box.current && setPlace({top: box.current.scrollTop, height: box.current.clientHeight || 800});
  useEffect(() => {
    measure();
    const watch = new ResizeObserver(measure);
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  const from = Math.max(0, Math.floor(place.top / ROW) - BEYOND);
  const to = Math.min(rows.length, Math.ceil((place.top + place.height) / ROW) + BEYOND);
  useEffect(() => {
    if (rows.length && to >= rows.length - 5 && store.cursor.value) store.more();
  }, [to, rows.length]);
  // What is said in the rows that stand here is told, once they stand still.
  const shown = rows.slice(from, to).map(one => one.id);
  useEffect(() => {
    const timer = setTimeout(() => (store.window.value = shown), 300);
    return () => clearTimeout(timer);
  }, [shown.join()]);
  useEffect(() => () => void (store.window.value = []), [store]);
  const {current} = store;
  // The row that is open can be seen, whoever moved there.
  useEffect(() => {
    const at = rows.findIndex(one => one.id === current.value);
    const node = box.current;
    if (at < 0 || !node) return;
    if (at * ROW < node.scrollTop) node.scrollTop = at * ROW;
    else if ((at + 1) * ROW > node.scrollTop + node.clientHeight) node.scrollTop = (at + 1) * ROW - node.clientHeight;
  }, [current.value]);
  return html`<div class="chat-rows" ref=${box} onScroll=${measure} aria-busy=${store.loading.value ? 'true' : null}>
    ${
      store.error.value &&
      html`<div class="empty" role="alert">
        <p>${reason(store.error.value)}</p>
        <button type="button" onClick=${() => store.more(!rows.length)}>${t('again')}</button>
      </div>`
    }
    ${!store.loaded.value && !store.error.value && html`<div class="skeleton" aria-label=${t('loading')}>${[1, 2, 3, 4].map(one => html`<div key=${one}></div>`)}</div>`}
    ${store.loaded.value && !rows.length && html`<p class="chat-none muted">${store.found.value.q ? t('queue.none_found') : t(`chat.none.${store.list.value}`)}</p>`}
    <ul style=${{paddingBlockStart: `${from * ROW}px`, paddingBlockEnd: `${Math.max(0, rows.length - to) * ROW}px`}}>
      ${rows.slice(from, to).map(one => html`<${Row} key=${one.id} work=${work} chat=${one} current=${current.value === one.id} onOpen=${onOpen} />`)}
    </ul>
  </div>`;
}

/** @param {{work: import('./work.js').Work, chat: import('./kinds.js').Chat, current: boolean, onOpen: (id: string) => void}} props */
function Row({work, chat, current, onOpen}) {
  const unread = work.store.unread(chat);
  const waits = chat.state === 'waiting';
  const now = useNow(waits);
  const name = chat.visitor?.name || t('guest');
  const at = chat.last?.created || chat.created;
  const held = holder(chat);
  const words = chat.last?.text ?? '';
  const typing = work.store.talks.get(chat.id)?.typists.value.some(one => one.by === 'visitor');
  return html`<li>
    <a
      class=${`chat-row${unread ? ' unread' : ''}${waits ? ' waits' : ''}`}
      href=${address(path.value, {...Object.fromEntries(query.value), chat: chat.id})}
      aria-current=${current ? 'true' : null}
      onClick=${(/** @type {MouseEvent} */ event) => {
        if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
        event.preventDefault();
        onOpen(chat.id);
      }}
    >
      <${Avatar} name=${name} id=${chat.id} />
      <span class="chat-row-body">
        <span class="chat-row-top">
          <${Name} name=${chat.visitor?.name} />
          ${chat.visitor?.verified && html`<span class="good" role="img" aria-label=${t('chat.verified')} title=${t('chat.verified')}>✓</span>`}
          <span class="grow"></span>
          ${
            waits
              ? html`<span class="chat-wait"
                  >${plainTime((now - time(chat.waiting_since || chat.created)) / 1000)}</span
                >`
              : html`<time class="muted" datetime=${at} title=${moment(at)}>${ago(at)}</time>`
          }
        </span>
        <span class="chat-row-words">
          <span class="words" dir="auto"
            >${typing ? html`<em>${t('chat.typing.one')}</em>` : html`${chat.last && chat.last.from !== 'visitor' && words ? `${t('chat.you_prefix')} ` : ''}${words || '\u00a0'}`}</span
          >
          ${unread > 0 && html`<span class="count" aria-label=${t('chat.unread', {n: unread})}>${unread > 99 ? '99+' : number(unread)}</span>`}
        </span>
        <span class="chat-row-marks">
          ${chat.department && html`<span class="mark">${work.departmentName(chat.department)}</span>`}
          ${whole(chat) !== 'open' && !waits && html`<span class="mark">${t(`chat.state.${whole(chat)}`)}</span>`}
          ${held && held.id !== work.person.id && html`<span class="mark"><bdi>${held.name}</bdi></span>`}
          ${(chat.labels || []).slice(0, 3).map(one => html`<span key=${one} class="mark label">${one}</span>`)}
        </span>
      </span>
    </a>
  </li>`;
}
