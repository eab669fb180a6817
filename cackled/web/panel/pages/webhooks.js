// Webhooks of a site: servers that are told of events, what they were told, and sending it again.
import {html, useState} from '../libraries.js';
import {ask, get, patch, post, remove} from '../api.js';
import {query, setQuery} from '../router.js';
import {complain, toast} from '../toasts.js';
import {Confirm, Dialog} from '../ui/dialog.js';
import {Check, Choice, Copy, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {moment, number, t} from '../words.js';

/**
 * @typedef {{id: string, url: string, types: string[], note: string, state: 'on' | 'off' | 'failing' | 'halted',
 *   reason: string, failures: number, failing_since: string | null, next: string | null,
 *   old_secret_until: string | null, version: number, waiting: number, dead: number}} Hook
 * @typedef {{id: string, type: string, position: string, state: 'waiting' | 'sent' | 'dead', tries: number,
 *   status: number | null, error: string, created: string, tried: string | null}} Delivery
 */

const KINDS = {on: 'good', off: '', failing: 'warn', halted: 'bad'};
const DELIVERY_KINDS = {waiting: '', sent: 'good', dead: 'bad'};
// The server counts so far.
const MOST = 10_000;

/** @param {number} count */
const counted = count => (count > MOST ? `${number(MOST)}+` : number(count));

/** @param {{hook: Hook}} props */
const State = ({hook}) =>
  html`<${Mark} kind=${KINDS[hook.state]} title=${hook.reason}>${t(`hooks.state.${hook.state}`)}<//>`;

/** @param {{site: string}} props */
export function WebhooksPage({site}) {
  const base = `/sites/${site}/webhooks`;
  const loaded = useLoad(signal => get(base, {}, signal), [base]);
  const [open, setOpen] = useState(false);
  return html`<div class="page">
    <${Heading}
      lead=${t('hooks.lead')}
      aside=${html`<button type="button" class="primary" onClick=${() => setOpen(true)}>${t('hooks.add')}</button>`}
      >${t('nav.webhooks')}<//
    >
    <${Loaded} from=${loaded}>
      ${(/** @type {{webhooks: Hook[], types: string[]}} */ found) =>
        html`<${Table}
            label=${t('nav.webhooks')}
            rows=${found.webhooks}
            id=${(/** @type {Hook} */ one) => one.id}
            empty=${t('hooks.none')}
            columns=${[
              {
                label: t('hooks.url'),
                cell: (/** @type {Hook} */ one) =>
                  html`<a class="code" href=${`/panel${base}/${one.id}`}><bdi>${one.url}</bdi></a>
                    ${one.note && html`<span class="muted"><bdi>${one.note}</bdi></span>`}`,
              },
              {
                label: t('hooks.events'),
                cell: (/** @type {Hook} */ one) => (one.types.length ? one.types.join(', ') : t('hooks.all')),
              },
              {label: t('hooks.state'), cell: (/** @type {Hook} */ one) => html`<${State} hook=${one} />`},
              {label: t('hooks.waiting'), number: true, cell: (/** @type {Hook} */ one) => counted(one.waiting)},
              {label: t('hooks.dead'), number: true, cell: (/** @type {Hook} */ one) => counted(one.dead)},
            ]}
          />${open && html`<${Edit} base=${base} types=${found.types} onClose=${() => setOpen(false)} onDone=${loaded.again} />`}`}
    <//>
  </div>`;
}

/**
 * A new endpoint, or changes of one.
 * @param {{base: string, types: string[], old?: Hook, tag?: string, onClose: () => void, onDone: () => any}} props
 */
function Edit({base, types, old, tag, onClose, onDone}) {
  const [url, setUrl] = useState(old?.url || '');
  const [note, setNote] = useState(old?.note || '');
  const [chosen, setChosen] = useState(old?.types || /** @type {string[]} */ ([]));
  const [all, setAll] = useState(!old?.types.length);
  const [enabled, setEnabled] = useState(old ? old.state !== 'off' && old.state !== 'halted' : true);
  const [made, setMade] = useState(/** @type {any} */ (null));
  const submit = async () => {
    const sent = {url: url.trim(), note, types: all ? [] : chosen};
    if (old) {
      // Switched on, it begins anew: only where somebody did so.
      const was = old.state !== 'off' && old.state !== 'halted';
      const more = enabled === was ? {} : {enabled};
      const same = sent.url === old.url ? {note, types: sent.types} : sent;
      await patch(`${base}/${old.id}`, {...same, ...more}, {match: tag});
      toast(t('saved'));
      onClose();
    } else {
      setMade(await post(base, sent));
    }
    await onDone();
  };
  const theirs = async () => {
    onClose();
    await onDone();
  };
  return html`<${Dialog} title=${old ? t('change') : t('hooks.add')} onClose=${onClose}>
    ${
      made
        ? html`<${Secret} secret=${made.secret} onClose=${onClose} />`
        : html`<${Form}
            onSubmit=${submit}
            label=${old ? t('save') : t('hooks.add')}
            disabled=${!all && !chosen.length}
            onTheirs=${theirs}
          >
            <${Field} label=${t('hooks.url')} type="url" required maxlength="2000" value=${url} onInput=${setUrl} />
            <${Field} label=${t('hooks.note')} maxlength="200" value=${note} onInput=${setNote} />
            <fieldset>
              <legend>${t('hooks.events')}</legend>
              <${Check} label=${t('hooks.all')} checked=${all} onInput=${setAll} />
              ${
                !all &&
                types.map(
                  one =>
                    html`<${Check}
                      key=${one}
                      label=${html`<span class="code">${one}</span>`}
                      checked=${chosen.includes(one)}
                      onInput=${(/** @type {boolean} */ on) => setChosen(on ? [...chosen, one] : chosen.filter(other => other !== one))}
                    />`,
                )
              }
            </fieldset>
            ${old && html`<${Check} label=${t('hooks.on')} checked=${enabled} onInput=${setEnabled} />`}
          <//>`
    }
  <//>`;
}

/** @param {{secret: string, onClose: () => void}} props */
const Secret = ({secret, onClose}) =>
  html`<p role="status">${t('hooks.once')}</p>
    <${Copy} label=${t('hooks.secret')} text=${secret} />
    <div class="actions"><button type="button" class="primary" onClick=${onClose}>${t('done')}</button></div>`;

/** One endpoint, and its log. @param {{site: string, webhook: string}} props */
export function WebhookPage({site, webhook}) {
  const base = `/sites/${site}/webhooks`;
  const here = `${base}/${webhook}`;
  const loaded = useLoad(
    async signal => {
      const [{body, etag}, list] = await Promise.all([ask('GET', here, {signal}), get(base, {}, signal)]);
      return {hook: body, tag: etag, types: list.types};
    },
    [here],
  );
  const [open, setOpen] = useState('');
  const [turn, setTurn] = useState(0);
  const close = () => setOpen('');
  /** Do something, then show what is now. @param {() => Promise<any>} what */
  const act = async what => {
    try {
      await what();
      await loaded.again();
      setTurn(turn + 1);
    } catch (error) {
      complain(error);
    }
  };
  const test = () =>
    act(async () => {
      const told = await post(`${here}/test`);
      toast(
        told.ok
          ? t('hooks.tested', {status: String(told.status), ms: told.millis})
          : t('hooks.failed', {reason: told.error}),
      );
    });
  const replay = () =>
    act(async () => {
      await post(`${here}/replay`);
      toast(t('hooks.replayed'));
    });
  const drop = async () => {
    try {
      await remove(here);
      location.assign(`/panel${base}`);
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page">
    <${Heading}>${t('nav.webhooks')}<//>
    <p><a href=${`/panel${base}`}>${t('hooks.back')}</a></p>
    <${Loaded} from=${loaded}>
      ${(/** @type {{hook: Hook, tag: string, types: string[]}} */ {hook, tag, types}) =>
        html`<section class="stack">
            <h2 class="code"><bdi>${hook.url}</bdi></h2>
            <p>
              <${State} hook=${hook} /> ${hook.types.length ? hook.types.join(', ') : t('hooks.all')}
              ${hook.note && html` · <bdi>${hook.note}</bdi>`}
            </p>
            ${hook.next && html`<p class="muted">${t('hooks.next')}: ${moment(hook.next)}</p>`}
            ${hook.reason && html`<p class="wrong">${hook.reason}</p>`}
            ${hook.old_secret_until && html`<p class="muted">${t('hooks.both', {at: moment(hook.old_secret_until)})}</p>`}
            <div class="actions">
              <button type="button" onClick=${test}>${t('hooks.test')}</button>
              <button type="button" onClick=${() => setOpen('edit')}>${t('change')}</button>
              <button type="button" onClick=${() => setOpen('rotate')}>${t('hooks.rotate')}</button>
              ${hook.dead > 0 && html`<button type="button" onClick=${replay}>${t('hooks.replay_all')}</button>`}
              <button type="button" class="danger" onClick=${() => setOpen('drop')}>${t('remove')}</button>
            </div>
          </section>
          <${Log} key=${turn} here=${here} onReplay=${act} />
          ${open === 'edit' && html`<${Edit} base=${base} types=${types} old=${hook} tag=${tag} onClose=${close} onDone=${loaded.again} />`}
          ${open === 'rotate' && html`<${Rotate} here=${here} onClose=${close} onDone=${loaded.again} />`}
          ${open === 'drop' && html`<${Confirm} title=${t('remove')} text=${t('hooks.remove.text')} label=${t('remove')} onYes=${drop} onClose=${close} />`}`}
    <//>
  </div>`;
}

/** @param {{here: string, onClose: () => void, onDone: () => any}} props */
function Rotate({here, onClose, onDone}) {
  const [hours, setHours] = useState('24');
  const [made, setMade] = useState(/** @type {any} */ (null));
  const submit = async () => {
    setMade(await post(`${here}/rotate`, {overlap: Math.round(Number(hours) * 3600)}));
    await onDone();
  };
  return html`<${Dialog} title=${t('hooks.rotate')} onClose=${onClose}>
    ${
      made
        ? html`<${Secret} secret=${made.secret} onClose=${onClose} />`
        : html`<${Form} onSubmit=${submit} label=${t('hooks.rotate')}>
            <${Field}
              label=${t('hooks.overlap')}
              type="number"
              min="0"
              max="720"
              required
              value=${hours}
              onInput=${setHours}
            />
          <//>`
    }
  <//>`;
}

/** What was sent and is to be sent. @param {{here: string, onReplay: (what: () => Promise<any>) => any}} props */
function Log({here, onReplay}) {
  const state = query.value.get('state') || '';
  const loaded = useLoad(signal => get(`${here}/deliveries`, {state}, signal), [here, state]);
  const [shown, setShown] = useState(/** @type {any} */ (null));
  const more = async () => {
    try {
      const next = await get(`${here}/deliveries`, {state, cursor: loaded.value.next});
      loaded.set({...next, deliveries: [...loaded.value.deliveries, ...next.deliveries]});
    } catch (error) {
      complain(error);
    }
  };
  /** @param {Delivery} one */
  const view = async one => {
    try {
      setShown(await get(`${here}/deliveries/${one.id}`));
    } catch (error) {
      complain(error);
    }
  };
  /** @param {Delivery} one */
  const again = one =>
    onReplay(async () => {
      await post(`${here}/deliveries/${one.id}/replay`);
      toast(t('hooks.replayed'));
    });
  return html`<section class="stack">
    <h2>${t('hooks.log')}</h2>
    <${Choice}
      label=${t('hooks.state')}
      value=${state}
      options=${[['', t('state.all')], ...Object.keys(DELIVERY_KINDS).map(one => [one, t(`hooks.delivery.${one}`)])]}
      onInput=${(/** @type {string} */ value) => setQuery({state: value || null})}
    />
    <${Loaded} from=${loaded}>
      ${(/** @type {{deliveries: Delivery[], next: string | null}} */ found) =>
        html`<${Table}
            label=${t('hooks.log')}
            rows=${found.deliveries}
            id=${(/** @type {Delivery} */ one) => one.id}
            empty=${t('hooks.no_deliveries')}
            columns=${[
              {
                label: t('hooks.events'),
                cell: (/** @type {Delivery} */ one) =>
                  html`<button type="button" class="link code" onClick=${() => view(one)}>${one.type}</button>
                    <${When} at=${one.created} />`,
              },
              {
                label: t('hooks.state'),
                cell: (/** @type {Delivery} */ one) =>
                  html`<${Mark} kind=${DELIVERY_KINDS[one.state]}>${t(`hooks.delivery.${one.state}`)}<//>`,
              },
              {label: t('hooks.tries'), number: true, cell: (/** @type {Delivery} */ one) => number(one.tries)},
              {
                label: t('hooks.answer'),
                cell: (/** @type {Delivery} */ one) => one.error || (one.status === null ? '–' : String(one.status)),
              },
              {
                label: t('actions'),
                hidden: true,
                cell: (/** @type {Delivery} */ one) =>
                  one.state !== 'waiting' &&
                  html`<div class="actions end">
                    <button
                      type="button"
                      aria-label=${`${t('hooks.replay')}: ${one.type} ${one.id}`}
                      onClick=${() => again(one)}
                    >
                      ${t('hooks.replay')}
                    </button>
                  </div>`,
              },
            ]}
          />${found.next && html`<div class="actions"><button type="button" onClick=${more}>${t('more')}</button></div>`}`}
    <//>
    ${
      shown &&
      html`<${Dialog} title=${t('hooks.view')} wide onClose=${() => setShown(null)}>
        <pre class="code" tabindex="0" dir="ltr">${JSON.stringify(shown.data, null, 2)}</pre>
        <ul>
          ${shown.tries.map((/** @type {any} */ one) => html`<li key=${one.id}>${moment(one.at)} · ${one.status ?? '–'} ${one.error} · ${number(one.millis)} ms</li>`)}
        </ul>
      <//>`
    }
  </section>`;
}
