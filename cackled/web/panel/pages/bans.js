// The bans of a site: who, why, until when; lifting one brings back what it took along, if wished.
import {html, useState} from '../libraries.js';
import {get, remove} from '../api.js';
import {query, setQuery} from '../router.js';
import {complain, toast} from '../toasts.js';
import {BanDialog} from '../queue/ban.js';
import {Running} from '../queue/bulk.js';
import {Confirm} from '../ui/dialog.js';
import {Check} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {t} from '../words.js';

/** @typedef {{id: string, kind: string, value: string, until: string | null, shadow: boolean, note: string, by: string, created: string}} Ban */

/** What a ban is called: addresses and networks are kept as one kind. @param {Ban} ban */
const kindOf = ({kind, value}) => (kind !== 'ip' ? kind : /\/(32|64|128)$/.test(value) ? 'address' : 'network');

/** @param {{site: string}} props */
export function BansPage({site}) {
  const q = query.value.get('q') || '';
  const loaded = useLoad(signal => get(`/sites/${site}/bans`, {q}, signal), [site, q]);
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const [restore, setRestore] = useState(true);
  const [running, setRunning] = useState('');
  const close = () => setOpen(null);
  /** @param {Ban} ban */
  const lift = async ban => {
    try {
      await remove(`/sites/${site}/bans/${ban.id}`, {query: {restore: restore ? 1 : 0}});
      close();
      toast(t('ban.lifted'));
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  const more = async () => {
    try {
      const rows = loaded.value.bans;
      const page = await get(`/sites/${site}/bans`, {q, before: rows.at(-1).id});
      loaded.set({bans: [...rows, ...page.bans], ended: page.bans.length === 0});
    } catch (error) {
      complain(error, more);
    }
  };
  return html`<div class="page">
    <${Heading}
      aside=${html`<button type="button" class="primary" onClick=${() => setOpen({kind: 'ban'})}>${t('ban.title')}</button>`}
      >${t('nav.bans')}<//
    >
    <form
      role="search"
      class="search"
      onSubmit=${(/** @type {any} */ e) => {
        e.preventDefault();
        setQuery({q: e.currentTarget.elements.q.value.trim()});
      }}
    >
      <input
        name="q"
        type="search"
        aria-label=${t('ban.search')}
        placeholder=${t('ban.search')}
        maxlength="100"
        value=${q}
      />
    </form>
    ${running && html`<${Running} key=${running} site=${site} id=${running} onEnd=${() => setRunning('')} />`}
    <${Loaded} from=${loaded}>
      ${(/** @type {{bans: Ban[], ended?: boolean}} */ found) =>
        html`<${Table}
            label=${t('nav.bans')}
            rows=${found.bans}
            id=${(/** @type {Ban} */ one) => one.id}
            empty=${t('ban.none')}
            columns=${[
              {
                label: t('ban.kind'),
                cell: (/** @type {Ban} */ one) =>
                  html`${t(`ban.${kindOf(one)}`)} ${one.shadow && html`<${Mark} kind="bad">${t('mark.shadow')}<//>`}`,
              },
              {
                label: t('ban.value'),
                cell: (/** @type {Ban} */ one) => html`<bdi class="code break">${one.value}</bdi>`,
              },
              {
                label: t('ban.until'),
                cell: (/** @type {Ban} */ one) => (one.until ? html`<${When} at=${one.until} />` : t('ban.ever')),
              },
              {
                label: t('ban.note'),
                cell: (/** @type {Ban} */ one) => one.note && html`<span class="break">${one.note}</span>`,
              },
              {label: t('ban.by'), cell: (/** @type {Ban} */ one) => html`${one.by} <${When} at=${one.created} />`},
              {
                label: t('actions'),
                hidden: true,
                cell: (/** @type {Ban} */ one) =>
                  html`<div class="actions end">
                    <button
                      type="button"
                      aria-label=${`${t('ban.lift')}: ${one.value}`}
                      onClick=${() => setOpen({kind: 'lift', one})}
                    >
                      ${t('ban.lift')}
                    </button>
                  </div>`,
              },
            ]}
          />${found.bans.length >= 50 && !found.ended && html`<div class="actions"><button type="button" onClick=${more}>${t('more')}</button></div>`}`}
    <//>
    ${
      open?.kind === 'ban' &&
      html`<${BanDialog}
        site=${site}
        onClose=${close}
        onDone=${(/** @type {any} */ made) => {
          close();
          if (made.action) setRunning(made.action);
          loaded.again();
        }}
      />`
    }
    ${
      open?.kind === 'lift' &&
      html`<${Confirm}
        title=${`${t('ban.lift')}: ${open.one.value}`}
        text=${t('ban.lift.text')}
        label=${t('ban.lift')}
        onYes=${() => lift(open.one)}
        onClose=${close}
      >
        <${Check} label=${t('ban.restore')} checked=${restore} onInput=${setRestore}
      /><//>`
    }
  </div>`;
}
