// The live board: who waits and how long, and what each operator has.
import {html, useEffect} from '../libraries.js';
import {get} from '../api.js';
import {address} from '../router.js';
import {useLoad, Loaded} from '../ui/load.js';
import {Avatar, Mark, Name} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {number, t} from '../words.js';
import {Head} from './pages_of.js';
import {plainTime, useNow} from './parts.js';

/** @param {{site: string, work: import('./work.js').Work}} props */
export function BoardPage({site, work}) {
  const loaded = useLoad(
    async signal => {
      const board = await get(`/sites/${site}/chats/board`, {}, signal);
      return {at: Date.now(), board};
    },
    [site],
  );
  const now = useNow(true);
  const counts = work.store.counts.value;
  // What is told live says that something moved; the figures are the server's.
  useEffect(() => {
    const soon = setTimeout(loaded.again, 500);
    return () => clearTimeout(soon);
  }, [counts, work.desk.colleagues.value]);
  useEffect(() => {
    const timer = setInterval(loaded.again, 15_000);
    return () => clearInterval(timer);
  }, []);
  return html`<div class="page">
    <${Head}
      site=${site}
      current="board"
      aside=${html`<${Mark} kind=${work.live.value ? 'good' : ''}>${work.live.value ? t('queue.live') : t('queue.offline')}<//>`}
    />
    <${Loaded} from=${loaded} rows=${4}>
      ${(/** @type {{at: number, board: any}} */ {at, board}) => {
        const older = (now - at) / 1000;
        const grow = (/** @type {number | null | undefined} */ seconds) =>
          typeof seconds === 'number' ? plainTime(seconds + older) : '–';
        const operators = board.operators || [];
        const online = operators.filter((/** @type {any} */ one) => one.state === 'online').length;
        return html`
          <div class="figures">
            <a
              class=${`panel figure${board.waiting ? ' loud' : ''}`}
              href=${address(`/sites/${site}/chat`, {list: 'waiting'})}
              ><span class="muted">${t('chat.list.waiting')}</span><strong>${number(board.waiting || 0)}</strong></a
            >
            <div class="panel">
              <span class="muted">${t('chat.longest')}</span><strong>${grow(board.longest)}</strong>
            </div>
            <a class="panel figure" href=${address(`/sites/${site}/chat`, {list: 'all'})}
              ><span class="muted">${t('chat.state.open')}</span><strong>${number(board.open || 0)}</strong></a
            >
            <div class="panel">
              <span class="muted">${t('chat.desk.online')}</span><strong>${number(online)}</strong>
            </div>
          </div>
          <section class="stack">
            <h2>${t('chat.operators')}</h2>
            <${Table}
              label=${t('chat.operators')}
              rows=${operators}
              id=${(/** @type {any} */ one) => one.id}
              empty=${t('chat.operators.none')}
              columns=${[
                {
                  label: t('name'),
                  cell: (/** @type {any} */ one) =>
                    html`<span class="row"
                      ><span class=${`dot ${one.state}`} aria-hidden="true"></span
                      ><${Avatar} name=${one.name} id=${one.id} picture=${one.avatar} /><${Name} name=${one.name}
                    /></span>`,
                },
                {label: t('chat.desk'), cell: (/** @type {any} */ one) => t(`chat.desk.${one.state || 'lost'}`)},
                {
                  label: t('chat.chats'),
                  number: true,
                  cell: (/** @type {any} */ one) => `${number(one.chats ?? 0)} / ${number(one.capacity ?? 0)}`,
                },
                {label: t('chat.unanswered'), number: true, cell: (/** @type {any} */ one) => number(one.waiting ?? 0)},
                {label: t('chat.longest'), number: true, cell: (/** @type {any} */ one) => grow(one.longest)},
              ]}
            />
          </section>
          ${
            (board.departments || []).length > 0 &&
            html`<section class="stack">
              <h2>${t('chat.departments')}</h2>
              <${Table}
                label=${t('chat.departments')}
                rows=${board.departments}
                id=${(/** @type {any} */ one) => one.id}
                columns=${[
                  {
                    label: t('name'),
                    cell: (/** @type {any} */ one) =>
                      html`<a href=${address(`/sites/${site}/chat`, {list: 'waiting', department: one.id})}
                        >${one.name}</a
                      >`,
                  },
                  {
                    label: t('chat.list.waiting'),
                    number: true,
                    cell: (/** @type {any} */ one) => number(one.waiting ?? 0),
                  },
                  {label: t('chat.longest'), number: true, cell: (/** @type {any} */ one) => grow(one.longest)},
                ]}
              />
            </section>`
          }
        `;
      }}
    <//>
  </div>`;
}
