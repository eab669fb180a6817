// Hosts that a site proves to be its own, what it uses, and how it is deleted: pages beside its settings.
import {html, useState} from '../libraries.js';
import {get, post, remove} from '../api.js';
import {go, query, setQuery} from '../router.js';
import {load, may, me} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Copy, Field, Form} from '../ui/form.js';
import {Fresh} from '../ui/fresh.js';
import {Empty, Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, Tabs} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {bytes, moment, number, t} from '../words.js';

/** The pages about a site itself. @param {{site: string, current: string}} props */
export const SiteTabs = ({site, current}) =>
  html`<${Tabs}
    label=${t('nav.settings')}
    current=${`/sites/${site}/${current}`}
    tabs=${[
      [`/sites/${site}/settings`, t('nav.settings')],
      [`/sites/${site}/look`, t('nav.look')],
      [`/sites/${site}/hosts`, t('nav.hosts')],
      [`/sites/${site}/usage`, t('nav.usage')],
      ...(may(site, 'admin')
        ? [
            [`/sites/${site}/mail`, t('nav.letters')],
            [`/sites/${site}/providers`, t('nav.providers')],
            [`/sites/${site}/deletion`, t('nav.deletion')],
          ]
        : []),
    ]}
  />`;

/** @typedef {{host: string, proven: string | null, method: string, record: string, file: string, content: string, meta: string}} Host */

/** @param {{site: string}} props */
export function HostsPage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/hosts`, {}, signal), [site]);
  const [host, setHost] = useState('');
  const admin = may(site, 'admin');
  const add = async () => {
    await post(`/sites/${site}/hosts`, {host: host.trim()});
    setHost('');
    await loaded.again();
  };
  /** @param {string} one @param {'proof' | ''} what */
  const act = async (one, what) => {
    const path = `/sites/${site}/hosts/${encodeURIComponent(one)}`;
    try {
      await (what ? post(`${path}/proof`) : remove(path));
      if (what) toast(t('hosts.found'));
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page narrow">
    <${Heading}>${t('nav.hosts')}<//><${SiteTabs} site=${site} current="hosts" />
    <${Loaded} from=${loaded}>
      ${(/** @type {{hosts: Host[], needed: boolean}} */ found) =>
        html`<p>${found.needed ? t('hosts.needed') : t('hosts.not_needed')}</p>
          ${
            admin &&
            html`<section class="panel">
              <${Form} onSubmit=${add} label=${t('hosts.add')}
                ><${Field}
                  label=${t('hosts.host')}
                  hint="www.example.com"
                  required
                  maxlength="300"
                  value=${host}
                  onInput=${setHost}
                  spellcheck="false"
              /><//>
            </section>`
          }
          ${found.hosts.length === 0 && html`<${Empty}><p>${t('hosts.none')}</p><//>`}
          ${found.hosts.map(
            one =>
              html`<section class="panel" key=${one.host}>
                <div class="row">
                  <h2><bdi>${one.host}</bdi></h2>
                  <${Mark} kind=${one.proven ? 'good' : 'warn'}
                    >${one.proven ? t('hosts.proven') : t('hosts.waiting')}<//
                  >
                  <span class="grow"></span
                  >${admin && html`<button type="button" class="danger" onClick=${() => act(one.host, '')}>${t('remove')}</button>`}
                </div>
                ${
                  !one.proven &&
                  html`<p>${t('hosts.how')}</p>
                    <${Copy} label=${t('hosts.dns')} text=${one.record} /><${Copy}
                      label=${t('hosts.meta')}
                      text=${one.meta}
                    /><${Copy} label=${t('hosts.file', {file: one.file})} text=${one.content} />
                    ${admin && html`<div class="actions"><button type="button" class="primary" onClick=${() => act(one.host, 'proof')}>${t('hosts.look')}</button></div>`}`
                }
              </section>`,
          )}`}
    <//>
  </div>`;
}

/** @param {{site: string}} props */
export function UsagePage({site}) {
  const month = query.value.get('month') || '';
  const loaded = useLoad(signal => get(`/sites/${site}/usage`, {month}, signal), [site, month]);
  return html`<div class="page narrow">
    <${Heading} lead=${t('usage.lead')}>${t('nav.usage')}<//><${SiteTabs} site=${site} current="usage" />
    <${Loaded} from=${loaded}>
      ${(/** @type {any} */ found) =>
        html` <${Field}
            label=${t('usage.month')}
            type="month"
            value=${found.month}
            onInput=${(/** @type {string} */ value) => setQuery({month: value})}
          />
          <${Table}
            label=${t('usage.reads')}
            rows=${found.reads}
            id=${(/** @type {any} */ one) => one.preference}
            empty=${t('statistics.none')}
            columns=${[
              {
                label: 'readPreference',
                cell: (/** @type {any} */ one) => html`<span class="code">${one.preference}</span>`,
              },
              {label: t('usage.reads'), number: true, cell: (/** @type {any} */ one) => number(one.reads)},
              {label: t('usage.price'), number: true, cell: (/** @type {any} */ one) => number(one.price)},
              {label: t('usage.credits'), number: true, cell: (/** @type {any} */ one) => number(one.credits)},
            ]}
          />
          <p><strong>${t('usage.sum', {n: found.credits})}</strong></p>
          <h2>${t('usage.limits')}</h2>
          <${Table}
            label=${t('usage.limits')}
            rows=${found.limits}
            id=${(/** @type {any} */ one) => one.name}
            columns=${[
              {label: t('usage.limit'), cell: (/** @type {any} */ one) => html`<span class="code">${one.name}</span>`},
              {label: t('usage.rate'), number: true, cell: (/** @type {any} */ one) => one.rate},
              {label: t('usage.burst'), number: true, cell: (/** @type {any} */ one) => one.burst},
            ]}
          />`}
    <//>
    <${Storage} site=${site} />
  </div>`;
}

/** What the site's pictures and files take of what they may. @param {{site: string}} props */
function Storage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/media-usage`, {}, signal), [site]);
  return html`<h2 id="storage">${t('usage.storage')}</h2>
    <${Loaded} from=${loaded} rows=${1}>
      ${(/** @type {any} */ found) =>
        html`<p>${t('usage.stored', {n: found.pictures, bytes: bytes(found.bytes), room: bytes(found.room)})}</p>
          <meter
            class="storage"
            aria-labelledby="storage"
            max="1"
            high="0.9"
            value=${found.room ? Math.min(1, found.bytes / found.room) : 1}
          ></meter>
          ${found.bytes > 0.9 * found.room && html`<p class="wrong">${t('usage.storage.full')}</p>`}`}
    <//>`;
}

/** @param {{site: string}} props */
export function DeletionPage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/deletion`, {}, signal), [site]);
  const [name, setName] = useState('');
  const [open, setOpen] = useState(false);
  const submit = async () => {
    const answer = await post(`/sites/${site}/deletion`, {name});
    setOpen(false);
    toast(answer.done ? t('deletion.done') : t('deletion.asked'));
    if (answer.done) {
      await load();
      go('/', {replace: true});
    } else await loaded.again();
  };
  const keep = async () => {
    try {
      await remove(`/sites/${site}/deletion`);
      toast(t('deletion.kept'));
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page narrow">
    <${Heading}>${t('nav.deletion')}<//><${SiteTabs} site=${site} current="deletion" />
    <section class="panel">
      <p>${t('deletion.text')}</p>
      <${Loaded} from=${loaded} rows=${1}>
        ${(/** @type {any} */ found) =>
          html`${found.asked && html`<p class="wrong">${t('deletion.by', {name: found.by, at: moment(found.at)})}</p>`}
            <div class="actions">
              ${found.asked && html`<button type="button" onClick=${keep}>${t('deletion.keep')}</button>`}
              ${may(site, 'owner') && html`<button type="button" class="danger" onClick=${() => setOpen(true)}>${found.asked && found.by !== me.value?.account.name ? t('deletion.agree') : t('deletion.ask')}</button>`}
            </div>`}
      <//>
    </section>
    ${
      open &&
      html`<${Dialog} title=${t('nav.deletion')} onClose=${() => setOpen(false)}
        ><${Fresh}
          ><${Form} onSubmit=${submit} label=${t('deletion.ask')}>
            <${Field} label=${t('deletion.name')} required value=${name} onInput=${setName} autocomplete="off" /><//><//
      ><//>`
    }
  </div>`;
}
