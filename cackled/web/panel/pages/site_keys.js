// Keys of the site's own servers. What a key is is shown once, when it is made.
import {html, useState} from '../libraries.js';
import {get, post, remove} from '../api.js';
import {complain, toast} from '../toasts.js';
import {Confirm, Dialog} from '../ui/dialog.js';
import {Check, Copy, Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Mark, When} from '../ui/parts.js';
import {Fresh} from '../ui/fresh.js';
import {Table} from '../ui/table.js';
import {t} from '../words.js';

/** @typedef {{id: string, name: string, scopes: string[], hint: string, created_by: string, created: string, used: string | null, expires: string | null}} Key */

const SCOPES = ['read', 'sync', 'moderate', 'sso', 'chat'];

/** @param {{site: string}} props */
export function KeysPage({site}) {
  const loaded = useLoad(signal => get(`/sites/${site}/keys`, {}, signal), [site]);
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const close = () => setOpen(null);
  /** @param {Key} key */
  const end = async key => {
    try {
      await remove(`/sites/${site}/keys/${key.id}`);
      close();
      toast(t('keys.ended'));
      await loaded.again();
    } catch (error) {
      complain(error);
    }
  };
  return html`<div class="page">
    <${Heading}
      lead=${t('keys.lead')}
      aside=${html`<button type="button" class="primary" onClick=${() => setOpen({kind: 'make'})}>${t('keys.make')}</button>`}
      >${t('nav.keys')}<//
    >
    <${Loaded} from=${loaded}>
      ${(/** @type {{keys: Key[]}} */ found) =>
        html`<${Table}
          label=${t('nav.keys')}
          rows=${found.keys}
          id=${(/** @type {Key} */ one) => one.id}
          empty=${t('keys.none')}
          columns=${[
            {
              label: t('name'),
              cell: (/** @type {Key} */ one) =>
                html`<bdi>${one.name}</bdi> <span class="code muted">…${one.hint}</span>`,
            },
            {
              label: t('keys.scopes'),
              cell: (/** @type {Key} */ one) =>
                html`<span class="row"
                  >${one.scopes.map(scope => html`<${Mark} key=${scope}>${t(`scope.${scope}`)}<//>`)}</span
                >`,
            },
            {
              label: t('keys.used'),
              cell: (/** @type {Key} */ one) => (one.used ? html`<${When} at=${one.used} />` : t('never')),
            },
            {label: t('expires'), cell: (/** @type {Key} */ one) => html`<${When} at=${one.expires} />`},
            {
              label: t('actions'),
              hidden: true,
              cell: (/** @type {Key} */ one) =>
                html`<div class="actions end">
                  <button
                    type="button"
                    aria-label=${`${t('keys.rotate')}: ${one.name}`}
                    onClick=${() => setOpen({kind: 'rotate', one})}
                  >
                    ${t('keys.rotate')}
                  </button>
                  <button
                    type="button"
                    class="danger"
                    aria-label=${`${t('keys.end')}: ${one.name}`}
                    onClick=${() => setOpen({kind: 'end', one})}
                  >
                    ${t('keys.end')}
                  </button>
                </div>`,
            },
          ]}
        />`}
    <//>
    ${(open?.kind === 'make' || open?.kind === 'rotate') && html`<${Make} site=${site} old=${open.one} onClose=${close} onDone=${loaded.again} />`}
    ${open?.kind === 'end' && html`<${Confirm} title=${`${t('keys.end')}: ${open.one.name}`} text=${t('keys.end.text')} label=${t('keys.end')} onYes=${() => end(open.one)} onClose=${close} />`}
  </div>`;
}

/** @param {{site: string, old?: Key, onClose: () => void, onDone: () => void}} props *old*: a key in its place */
function Make({site, old, onClose, onDone}) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState(/** @type {string[]} */ (['read']));
  const [days, setDays] = useState('7');
  const [made, setMade] = useState(/** @type {any} */ (null));
  const submit = async () => {
    setMade(
      old
        ? await post(`/sites/${site}/keys/${old.id}/rotate`, {overlap: Math.round(Number(days) * 86_400)})
        : await post(`/sites/${site}/keys`, {name: name.trim(), scopes}),
    );
    onDone();
  };
  return html`<${Dialog} title=${old ? `${t('keys.rotate')}: ${old.name}` : t('keys.make')} onClose=${onClose}>
    ${
      made
        ? html`<p role="status">${t('keys.once')}</p>
            <${Copy} label=${t('keys.key')} text=${made.key} />
            <div class="actions"><button type="button" class="primary" onClick=${onClose}>${t('done')}</button></div>`
        : html`<${Fresh}
            ><${Form}
              onSubmit=${submit}
              label=${old ? t('keys.rotate') : t('keys.make')}
              disabled=${!old && scopes.length === 0}
            >
              ${
                old
                  ? html`<${Field}
                      label=${t('keys.overlap')}
                      type="number"
                      min="0"
                      max="90"
                      required
                      value=${days}
                      onInput=${setDays}
                    />`
                  : html`<${Field}
                        label=${t('name')}
                        hint=${t('keys.name.hint')}
                        maxlength="200"
                        value=${name}
                        onInput=${setName}
                      />
                      <fieldset>
                        <legend>${t('keys.scopes')}</legend>
                        ${SCOPES.map(
                          one =>
                            html`<${Check}
                              key=${one}
                              label=${t(`scope.${one}`)}
                              hint=${t(`scope.${one}.hint`)}
                              checked=${scopes.includes(one)}
                              onInput=${(/** @type {boolean} */ on) => setScopes(on ? [...scopes, one] : scopes.filter(other => other !== one))}
                            />`,
                        )}
                      </fieldset>`
              }
            <//><//
          >`
    }
  <//>`;
}
