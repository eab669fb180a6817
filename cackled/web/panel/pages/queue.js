// The queue: what waits for a moderator, decided by keys, thumb or mouse, while colleagues work on it too.
import {html, useEffect, useMemo, useRef, useState} from '../libraries.js';
import {get, post} from '../api.js';
import {useKeys} from '../keys.js';
import {AuthorDialog} from '../queue/author.js';
import {BanDialog} from '../queue/ban.js';
import {Running} from '../queue/bulk.js';
import {Card, MAIN} from '../queue/card.js';
import {Claims} from '../queue/claims.js';
import {DetailDialog} from '../queue/detail.js';
import {needsReason, ReasonDialog, ReplyDialog} from '../queue/facts.js';
import {Filters, wanted} from '../queue/filters.js';
import {Chunks, End} from '../queue/list.js';
import {listen} from '../queue/live.js';
import {Queue} from '../queue/store.js';
import {everywhere} from '../session.js';
import {complain, toast, undoable, undoLast} from '../toasts.js';
import {Confirm} from '../ui/dialog.js';
import {Empty} from '../ui/load.js';
import {Heading} from '../ui/parts.js';
import {has, number, reason, t} from '../words.js';

/** @typedef {import('../queue/store.js').Item} Item */

/** What a card is besides its item. */
const CURRENT = 1;
const CHOSEN = 2;

/**
 * @param {string} site
 * @param {Record<string, string>} found
 * @param {{current: number}} seq what was heard: no answer is older than that
 */
const callsOf = (site, found, seq) => ({
  page: (/** @type {string} */ cursor) =>
    get(`/sites/${site}/moderation/items`, {...found, cursor, after: seq.current || ''}),
  count: (/** @type {string} */ newer) =>
    get(`/sites/${site}/moderation/count`, {...found, newer, after: seq.current || ''}),
  act: (
    /** @type {string} */ action,
    /** @type {string[]} */ items,
    /** @type {Record<string, number>} */ versions,
    /** @type {string} */ why,
  ) => post(`/sites/${site}/moderation/actions`, {action, items, versions, why}),
  undo: (/** @type {string} */ id) => post(`/sites/${site}/moderation/actions/${id}/undo`),
});

/** What was done, in words. @param {string} action @param {number} n */
const did = (action, n) => (has(`did.${action}`) ? t(`did.${action}`, {n}) : t('did', {n}));

/** @param {{site: string}} props */
export function QueuePage({site}) {
  const found = wanted();
  const key = JSON.stringify(found);
  const seq = useRef(0);
  const queue = useMemo(() => new Queue(found.state, callsOf(site, found, seq)), [site, key]);
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const [live, setLive] = useState(false);
  const [running, setRunning] = useState('');
  const claims = useMemo(
    () =>
      new Claims(site, error => toast(t('item.claimed', {name: error.problem.by || t('somebody')}), {kind: 'error'})),
    [site],
  );
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const now = useRef(queue);
  now.current = queue;
  useEffect(() => {
    queue.first();
  }, [queue]);
  useEffect(() => {
    /** @type {any} */
    let timer;
    const count = () => {
      clearTimeout(timer);
      timer = setTimeout(() => now.current.countNewer(), 600 + Math.random() * 600);
    };
    const stop = listen(site, {
      event: event => now.current.heard(event) && count(),
      missed: () => {
        count();
        now.current.refresh();
      },
      state: setLive,
      reached: at => (seq.current = at),
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [site]);

  // What is open is ours, and colleagues see that.
  const looked = open?.kind === 'detail' ? open.item.id : '';
  useEffect(() => {
    if (looked) claims.take(looked);
    return () => {
      if (looked) claims.release();
    };
  }, [looked, claims]);
  useEffect(() => () => claims.release(), [claims]);
  // Nobody tells of a claim that runs out.
  useEffect(() => {
    const timer = setInterval(() => now.current.expire(Date.now()), 10_000);
    return () => clearInterval(timer);
  }, []);

  /** What is decided last, so that an undo that is quicker than the server waits for it. */
  const last = useRef(/** @type {Promise<any>} */ (Promise.resolve()));
  /** @param {string} action @param {string[]} ids @param {string} [why] */
  const act = (action, ids, why = '') => (last.current = decide(action, ids, why));
  /** @param {string} action @param {string[]} ids @param {string} why */
  const decide = async (action, ids, why) => {
    if (!ids.length) return;
    if (
      needsReason(
        action,
        ids.map(id => queue.get(id)),
        why,
      )
    )
      return setOpen({kind: 'why', action, ids});
    try {
      const made = await queue.decide(action, ids, why);
      for (const one of made.failed)
        toast(t(`failed.${one.reason}`, {by: one.name || t('somebody'), state: t(`state.${one.state}`)}), {
          kind: 'error',
        });
      if (made.done.length) undoable(did(action, made.done.length), () => undo(made.id));
    } catch (error) {
      complain(error, () => act(action, ids, why));
    }
  };
  /** @param {string} id */
  const undo = async id => {
    try {
      const made = await queue.calls.undo(id);
      for (const one of made.failed)
        toast(t(`failed.${one.reason}`, {by: one.name || t('somebody'), state: t(`state.${one.state}`)}), {
          kind: 'error',
        });
      await queue.first();
    } catch (error) {
      complain(error, () => undo(id));
    }
  };
  const current = () => queue.get(queue.current.value);
  /** @param {(item: Item) => void} then */
  const withCurrent = then => () => {
    const item = current();
    if (item) then(item);
  };
  useKeys([
    {key: 'j', label: t('key.next'), act: () => queue.move(1)},
    {key: 'k', label: t('key.previous'), act: () => queue.move(-1)},
    {key: 'x', label: t('key.choose'), act: () => queue.choose(queue.current.value)},
    {key: 'X', label: t('key.range'), act: () => queue.choose(queue.current.value, true)},
    ...MAIN.map(([action, one]) => ({
      key: one,
      label: t(`do.${action}`),
      act: () => void act(action, queue.targets()),
    })),
    ...(everywhere(site)
      ? [{key: 'b', label: t('do.ban'), act: withCurrent(item => setOpen({kind: 'ban', item}))}]
      : []),
    {
      key: 'c',
      label: t('do.claim'),
      act: withCurrent(item => (claims.item === item.id ? claims.release() : void claims.take(item.id))),
    },
    {key: 'p', label: t('do.context'), act: withCurrent(item => setOpen({kind: 'detail', item}))},
    {key: 'u', label: t('undo'), act: () => void last.current.then(undoLast)},
    {key: '/', label: t('queue.search'), act: () => field.current?.focus()},
    {key: 'n', label: t('key.newer'), act: () => void queue.first()},
  ]);
  const items = queue.items.value;
  const chosen = queue.chosen.value;
  const newer = queue.newer.value;
  const close = () => setOpen(null);
  return html`<div class="page queue">
    <${Heading}
      aside=${html`<span class=${live ? 'mark good' : 'mark'} role="status"
          >${live ? t('queue.live') : t('queue.offline')}</span
        >
        <button type="button" disabled=${!items.length} onClick=${() => setOpen({kind: 'all'})}>
          ${t('queue.all')}
        </button>`}
      >${t('nav.queue')}<//
    >
    <${Filters} site=${site} field=${field} />
    ${
      running &&
      html`<${Running}
        key=${running}
        site=${site}
        id=${running}
        onEnd=${() => {
          setRunning('');
          queue.first();
        }}
      />`
    }
    <div class="newer" role="status">
      ${newer.count > 0 && html`<button type="button" onClick=${() => queue.first()}>${t('queue.newer', {n: newer.count})}${newer.more ? '+' : ''}</button>`}
    </div>
    ${
      chosen.size > 0 &&
      html`<div class="chosen-bar" role="toolbar" aria-label=${t('queue.chosen', {n: chosen.size})}>
        <strong>${t('queue.chosen', {n: chosen.size})}</strong>
        ${MAIN.map(([action, , kind]) => html`<button type="button" key=${action} class=${kind} onClick=${() => act(action, queue.targets())}>${t(`do.${action}`)}</button>`)}
        <button type="button" class="link" onClick=${() => (queue.chosen.value = new Set())}>
          ${t('queue.unchoose')}
        </button>
      </div>`
    }
    <ul class="told" aria-live="polite">
      ${queue.told.value.map(one => html`<li key=${one.id} class="muted">${t('queue.told', {by: one.by, what: did(one.action, 1)})}</li>`)}
    </ul>
    <div class="items" aria-busy=${queue.loading.value ? 'true' : null}>
      <${Chunks}
        items=${items}
        scope=${queue}
        state=${(/** @type {Item} */ one) => (one.id === queue.current.value ? CURRENT : 0) | (chosen.has(one.id) ? CHOSEN : 0)}
        keep=${(/** @type {Item} */ one) => one.id === queue.current.value}
        draw=${(/** @type {Item} */ one, /** @type {number} */ state) =>
          html`<${Card}
            key=${one.id}
            item=${one}
            site=${site}
            current=${Boolean(state & CURRENT)}
            chosen=${Boolean(state & CHOSEN)}
            onFocus=${() => queue.get(one.id) && (queue.current.value = one.id)}
            onChoose=${(/** @type {boolean} */ range) => queue.choose(one.id, range)}
            onAct=${(/** @type {string} */ action) => act(action, [one.id])}
            onOpen=${() => setOpen({kind: 'detail', item: one})}
            onReply=${everywhere(site) ? () => setOpen({kind: 'reply', item: one}) : null}
            onAuthor=${() => setOpen({kind: 'author', item: one})}
            onBan=${everywhere(site) ? () => setOpen({kind: 'ban', item: one}) : null}
          />`}
      />
      ${
        queue.error.value &&
        html`<div class="empty" role="alert">
          <p>${reason(queue.error.value)}</p>
          <button type="button" onClick=${() => (items.length ? queue.more() : queue.first())}>${t('again')}</button>
        </div>`
      }
      ${!queue.loaded.value && !queue.error.value && html`<div class="skeleton tall" aria-label=${t('loading')}>${[1, 2, 3, 4].map(one => html`<div key=${one}></div>`)}</div>`}
      ${queue.loaded.value && !items.length && !queue.loading.value && html`<${Empty}><p>${found.q ? t('queue.none_found') : t('queue.empty')}</p><//>`}
      ${queue.cursor.value !== null && items.length > 0 && html`<${End} key=${queue.cursor.value} onNear=${() => queue.more()} />`}
    </div>
    ${
      open?.kind === 'detail' &&
      html`<${DetailDialog}
        site=${site}
        id=${open.item.id}
        onClose=${close}
        onAct=${(/** @type {string} */ action, /** @type {string} */ why) => {
          close();
          act(action, [open.item.id], why);
        }}
        onEdited=${(/** @type {string} */ action) => {
          // A decision ends the claim on the server, and we are still at it.
          claims.renew();
          undoable(t('write.edited'), () => undo(action));
        }}
      />`
    }
    ${
      open?.kind === 'why' &&
      html`<${ReasonDialog}
        action=${open.action}
        onClose=${close}
        onDone=${(/** @type {string} */ why) => {
          const {action, ids} = open;
          close();
          act(action, ids, why);
        }}
      />`
    }
    ${
      open?.kind === 'reply' &&
      html`<${ReplyDialog}
        site=${site}
        item=${open.item}
        onClose=${close}
        onDone=${(/** @type {any} */ reply) => {
          queue.change(open.item.id, {facts: {...open.item.facts, reply}});
          close();
        }}
      />`
    }
    ${open?.kind === 'author' && html`<${AuthorDialog} site=${site} id=${open.item.author.id} onClose=${close} onBan=${() => setOpen({kind: 'ban', item: open.item})} />`}
    ${
      open?.kind === 'ban' &&
      html`<${BanDialog}
        site=${site}
        start=${{kind: 'visitor', value: open.item.author.id}}
        choices=${[
          ['visitor', open.item.author.id],
          ['name', open.item.author.name],
          ['address', open.item.author.address || ''],
          ['network', open.item.author.address || ''],
        ]}
        onClose=${close}
        onDone=${(/** @type {any} */ made) => {
          close();
          if (made.action) setRunning(made.action);
        }}
      />`
    }
    ${
      open?.kind === 'all' &&
      html`<${All}
        site=${site}
        found=${found}
        onClose=${close}
        onBegun=${(/** @type {any} */ made) => {
          close();
          setRunning(made.id);
        }}
      />`
    }
  </div>`;
}

/** All that matches, at once. @param {{site: string, found: Record<string, string>, onClose: () => void, onBegun: (made: any) => void}} props */
function All({site, found, onClose, onBegun}) {
  const [action, setAction] = useState('approve');
  const [busy, setBusy] = useState(false);
  const [count, setCount] = useState(/** @type {{count: number, more: boolean} | null} */ (null));
  useEffect(() => {
    get(`/sites/${site}/moderation/count`, found).then(setCount, complain);
  }, []);
  const yes = async () => {
    setBusy(true);
    try {
      onBegun(await post(`/sites/${site}/moderation/actions`, {action, filter: found}));
    } catch (error) {
      complain(error);
      setBusy(false);
    }
  };
  const many = count ? `${number(count.count)}${count.more ? '+' : ''}` : '…';
  return html`<${Confirm}
    title=${t('queue.all')}
    text=${t('queue.all.text', {count: many})}
    label=${t(`do.${action}`)}
    busy=${busy || !count}
    onYes=${yes}
    onClose=${onClose}
  >
    <div class="row">
      ${MAIN.map(([one]) => html`<button type="button" key=${one} aria-pressed=${action === one} onClick=${() => setAction(one)}>${t(`do.${one}`)}</button>`)}
    </div>
  <//>`;
}
