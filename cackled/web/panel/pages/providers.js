// With whom visitors sign in, and what a site's server said of them that did not hold.
import {html, useState} from '../libraries.js';
import {get, put, remove, tagOf} from '../api.js';
import {complain, toast} from '../toasts.js';
import {Confirm, Dialog} from '../ui/dialog.js';
import {Check, Choice, Copy, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {number, t} from '../words.js';
import {SiteTabs} from './hosts.js';

/** @typedef {{name: string, kind: string, label: string, issuer: string, clientId: string, hasSecret: boolean, enabled: boolean, position: number, redirect: string, version: number}} Provider */

const KINDS = ['oidc', 'google', 'github', 'facebook', 'yandex', 'vk', 'mastodon', 'telegram', 'mail', 'commento'];
const BARE = ['mastodon', 'mail', 'commento'];
/** @type {Record<string, string>} */
const NAMES = {
  oidc: 'OpenID Connect',
  google: 'Google',
  github: 'GitHub',
  facebook: 'Facebook',
  yandex: 'Yandex',
  vk: 'VK',
  mastodon: 'Mastodon',
  telegram: 'Telegram',
  commento: 'Commento',
};
/** @param {string} kind */
const kindName = kind => NAMES[kind] || t('providers.mail');

/** @param {{site: string}} props */
export function ProvidersPage({site}) {
  const base = `/sites/${site}/sign-in/providers`;
  const loaded = useLoad(signal => get(base, {}, signal), [base]);
  const refusals = useLoad(signal => get(`/sites/${site}/sso/refusals`, {}, signal), [site]);
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const close = () => setOpen(null);
  /** @param {Provider} one */
  const drop = async one => {
    try {
      await remove(`${base}/${one.name}`);
      close();
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page">
    <${Heading}
      lead=${t('providers.lead')}
      aside=${html`<button type="button" class="primary" onClick=${() => setOpen({kind: 'edit'})}>${t('providers.add')}</button>`}
      >${t('nav.providers')}<//
    >
    <${SiteTabs} site=${site} current="providers" />
    <${Loaded} from=${loaded}>
      ${(/** @type {{providers: Provider[]}} */ found) =>
        html`<${Table}
          label=${t('nav.providers')}
          rows=${found.providers}
          id=${(/** @type {Provider} */ one) => one.name}
          empty=${t('providers.none')}
          columns=${[
            {
              label: t('name'),
              cell: (/** @type {Provider} */ one) =>
                html`<bdi>${one.label || kindName(one.kind)}</bdi> <span class="code muted">${one.name}</span>`,
            },
            {label: t('providers.kind'), cell: (/** @type {Provider} */ one) => kindName(one.kind)},
            {
              label: t('providers.state'),
              cell: (/** @type {Provider} */ one) =>
                html`<${Mark} kind=${one.enabled ? 'good' : ''}
                  >${one.enabled ? t('providers.on') : t('providers.off')}<//
                >`,
            },
            {
              label: t('actions'),
              hidden: true,
              cell: (/** @type {Provider} */ one) =>
                html`<div class="actions end">
                  <button
                    type="button"
                    aria-label=${`${t('change')}: ${one.name}`}
                    onClick=${() => setOpen({kind: 'edit', one})}
                  >
                    ${t('change')}
                  </button>
                  <button
                    type="button"
                    class="danger"
                    aria-label=${`${t('remove')}: ${one.name}`}
                    onClick=${() => setOpen({kind: 'drop', one})}
                  >
                    ${t('remove')}
                  </button>
                </div>`,
            },
          ]}
        />`}
    <//>
    <section class="stack">
      <h2>${t('providers.refusals')}</h2>
      <p class="muted">${t('providers.refusals.text')}</p>
      <${Loaded} from=${refusals}>
        ${(/** @type {{refusals: any[]}} */ found) =>
          html`<${Table}
            label=${t('providers.refusals')}
            rows=${found.refusals}
            id=${(/** @type {any} */ one) => one.form + one.reason}
            empty=${t('providers.no_refusals')}
            columns=${[
              {
                label: t('providers.form'),
                cell: (/** @type {any} */ one) => html`<span class="code">${one.form}</span>`,
              },
              {label: t('detail.why'), cell: (/** @type {any} */ one) => html`${one.detail || one.reason}`},
              {label: t('providers.count'), number: true, cell: (/** @type {any} */ one) => number(one.count)},
              {label: t('providers.last'), cell: (/** @type {any} */ one) => html`<${When} at=${one.last} />`},
            ]}
          />`}
      <//>
    </section>
    ${
      open?.kind === 'edit' &&
      html`<${Edit}
        base=${base}
        old=${open.one}
        onClose=${close}
        onTheirs=${() => {
          close();
          loaded.again();
        }}
        onDone=${() => {
          close();
          toast(t('saved'));
          loaded.again();
        }}
      />`
    }
    ${open?.kind === 'drop' && html`<${Confirm} title=${`${t('remove')}: ${open.one.name}`} text=${t('providers.remove.text')} label=${t('remove')} onYes=${() => drop(open.one)} onClose=${close} />`}
  </div>`;
}

/** @param {{base: string, old?: Provider, onClose: () => void, onDone: () => void, onTheirs: () => void}} props */
function Edit({base, old, onClose, onDone, onTheirs}) {
  const [kind, setKind] = useState(old?.kind || 'google');
  const [name, setName] = useState(old?.name || '');
  const [label, setLabel] = useState(old?.label || '');
  const [issuer, setIssuer] = useState(old?.issuer || '');
  const [clientId, setClientId] = useState(old?.clientId || '');
  const [secret, setSecret] = useState('');
  const [enabled, setEnabled] = useState(old?.enabled ?? true);
  const submit = async () => {
    const body = {
      kind,
      label: label.trim(),
      issuer: issuer.trim(),
      clientId: clientId.trim(),
      enabled,
      position: old?.position ?? 0,
    };
    const path = `${base}/${encodeURIComponent(name.trim() || kind)}`;
    try {
      await put(path, secret ? {...body, secret} : body, {match: tagOf(old)});
    } catch (error) {
      // What was to be new is there: by its name, not by what a colleague changed.
      if (old || /** @type {any} */ (error).status !== 412) throw error;
      throw Object.assign(new Error(t('providers.taken')), {status: 412});
    }
    onDone();
  };
  return html`<${Dialog} title=${old ? `${t('change')}: ${old.name}` : t('providers.add')} onClose=${onClose}>
    <${Form} onSubmit=${submit} label=${t('save')} onTheirs=${onTheirs}>
      ${
        !old &&
        html`<${Choice}
            label=${t('providers.kind')}
            value=${kind}
            onInput=${setKind}
            options=${KINDS.map(one => [one, kindName(one)])}
          />
          <${Field}
            label=${t('providers.name')}
            hint=${t('providers.name.hint')}
            pattern="[a-z][a-z0-9\\-]*"
            maxlength="31"
            placeholder=${kind}
            value=${name}
            onInput=${setName}
            spellcheck="false"
          />`
      }
      <${Field}
        label=${t('providers.label')}
        hint=${t('providers.label.hint')}
        maxlength="40"
        value=${label}
        onInput=${setLabel}
      />
      ${(kind === 'oidc' || issuer) && html`<${Field} label=${t('providers.issuer')} type="url" required=${kind === 'oidc'} maxlength="500" value=${issuer} onInput=${setIssuer} />`}
      ${!BARE.includes(kind) && html`<${Field} label=${t('providers.client')} required maxlength="500" value=${clientId} onInput=${setClientId} autocomplete="off" spellcheck="false" />`}
      ${kind !== 'mail' && kind !== 'mastodon' && html`<${Field} label=${t('rules.secret')} maxlength="4000" value=${secret} onInput=${setSecret} autocomplete="off" placeholder=${old?.hasSecret ? t('settings.is_set') : ''} spellcheck="false" />`}
      <${Check} label=${t('providers.enabled')} checked=${enabled} onInput=${setEnabled} />
      ${old && html`<${Copy} label=${t('providers.redirect')} text=${old.redirect} />`}
    <//>
  <//>`;
}
