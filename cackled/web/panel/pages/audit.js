// What staff did on a site, the newest first.
import {html, useState} from '../libraries.js';
import {ask, get, post} from '../api.js';
import {address, query, setQuery} from '../router.js';
import {may} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Choice, Form} from '../ui/form.js';
import {Fresh} from '../ui/fresh.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Name, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {has, t} from '../words.js';
import {told} from './audit_words.js';

/** @typedef {{id: string, at: string, actor: string, name: string, action: string, target: string, detail: Record<string, any>}} Entry */

/** What was done, in words where there are some. @param {string} action `ban.added`, `moderation.spam` */
function deed(action) {
  const [subject, verb] = action.split('.');
  const found = [action, subject === 'moderation' ? verb : subject].find(one => has(`deed.${one}`));
  return found ? t(`deed.${found}`) : action;
}

/** The number of the decision that *entry* is about, where there is something to undo. @param {Entry} entry */
const decision = ({action, detail}) =>
  (action.startsWith('moderation.') || action === 'comment.edited') && detail.action ? String(detail.action) : '';

/** @param {{site: string}} props */
export function AuditPage({site}) {
  const wanted = {
    actor: query.value.get('actor') || '',
    action: query.value.get('action') || '',
    target: query.value.get('target') || '',
  };
  const loaded = useLoad(
    signal => get(`/sites/${site}/audit`, wanted, signal),
    [site, wanted.actor, wanted.action, wanted.target],
  );
  const [busy, setBusy] = useState(false);
  const more = async () => {
    setBusy(true);
    try {
      const page = await get(`/sites/${site}/audit`, {...wanted, before: loaded.value.next});
      loaded.set({entries: [...loaded.value.entries, ...page.entries], next: page.next});
    } catch (error) {
      complain(error, more);
    } finally {
      setBusy(false);
    }
  };
  const [open, setOpen] = useState(false);
  /** Decisions that were undone here. */
  const [undone, setUndone] = useState(/** @type {Set<string>} */ (new Set()));
  /** @param {string} number */
  const undo = async number => {
    setBusy(true);
    try {
      const made = await post(`/sites/${site}/moderation/actions/${number}/undo`);
      for (const one of made.failed)
        toast(t(`failed.${one.reason}`, {by: one.name || t('somebody'), state: t(`state.${one.state}`)}), {
          kind: 'error',
        });
      toast(t('did.undo', {n: made.done.length}));
      setUndone(old => new Set([...old, number]));
    } catch (error) {
      complain(error);
    } finally {
      setBusy(false);
    }
  };
  const filters = Object.entries(wanted).filter(([, value]) => value);
  return html`<div class="page">
    <${Heading}
      lead=${t('audit.lead')}
      aside=${may(site, 'admin') && html`<button type="button" onClick=${() => setOpen(true)}>${t('transfer.download')}</button>`}
      >${t('nav.audit')}<//
    >
    ${
      filters.length > 0 &&
      html`<p class="row">
        ${filters.map(
          ([name, value]) =>
            html`<button key=${name} type="button" onClick=${() => setQuery({[name]: null})}>
              ${t(`audit.${name}`)}: ${value} <span aria-hidden="true">×</span><span class="sr">${t('remove')}</span>
            </button>`,
        )}
      </p>`
    }
    <${Loaded} from=${loaded} rows=${8}>
      ${(/** @type {{entries: Entry[], next: string | null}} */ found) =>
        html`<${Table}
            label=${t('nav.audit')}
            rows=${found.entries}
            id=${(/** @type {Entry} */ one) => one.id}
            empty=${t('audit.none')}
            columns=${[
              {label: t('audit.at'), cell: (/** @type {Entry} */ one) => html`<${When} at=${one.at} />`},
              {
                label: t('audit.actor'),
                cell: (/** @type {Entry} */ one) =>
                  html`<a href=${address(`/sites/${site}/audit`, {...wanted, actor: one.actor})}
                    ><${Name} name=${one.name || one.actor}
                  /></a>`,
              },
              {
                label: t('audit.action'),
                cell: (/** @type {Entry} */ one) =>
                  html`<a href=${address(`/sites/${site}/audit`, {...wanted, action: one.action})}
                    >${deed(one.action)}</a
                  >`,
              },
              {
                label: t('audit.target'),
                cell: (/** @type {Entry} */ one) =>
                  one.target &&
                  html`<a class="code" href=${address(`/sites/${site}/audit`, {...wanted, target: one.target})}
                    >${one.target}</a
                  >`,
              },
              {
                label: t('audit.detail'),
                cell: (/** @type {Entry} */ one) => {
                  const words = told(one.detail);
                  return words && html`<span class="muted break">${words}</span>`;
                },
              },
              {
                label: t('actions'),
                hidden: true,
                cell: (/** @type {Entry} */ one) =>
                  decision(one) &&
                  may(site, 'moderator') &&
                  html`<div class="actions end">
                    <button
                      type="button"
                      aria-label=${`${t('undo')}: ${deed(one.action)}, ${one.target}`}
                      disabled=${busy || undone.has(decision(one))}
                      onClick=${() => undo(decision(one))}
                    >
                      ${t('undo')}
                    </button>
                  </div>`,
              },
            ]}
          />
          ${found.next && html`<div class="actions"><button type="button" disabled=${busy} onClick=${more}>${t('more')}</button></div>`}`}
    <//>
    ${open && html`<${Download} site=${site} onClose=${() => setOpen(false)} />`}
  </div>`;
}

/** The whole log as a file: it is given to admins who have just shown who they are. @param {{site: string, onClose: () => void}} props */
function Download({site, onClose}) {
  const [kind, setKind] = useState('csv');
  const save = async () => {
    /** @type {string[]} */
    const parts = [];
    let before = '';
    do {
      const {body, response} = await ask('GET', `/sites/${site}/audit/${kind}`, {query: {before}});
      const text = typeof body === 'string' ? body : `${JSON.stringify(body)}\n`;
      // Each part of a table begins with its head.
      parts.push(kind === 'csv' && before ? text.slice(text.indexOf('\n') + 1) : text);
      before = response.headers.get('x-cackled-next') || '';
    } while (before);
    const link = document.createElement('a');
    link.href = URL.createObjectURL(new Blob(parts, {type: kind === 'csv' ? 'text/csv' : 'application/jsonl'}));
    link.download = `audit-${site}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    onClose();
  };
  return html`<${Dialog} title=${t('nav.audit')} onClose=${onClose}>
    <${Fresh}>
      <${Form} onSubmit=${save} label=${t('transfer.download')}>
        <${Choice}
          label=${t('transfer.format')}
          value=${kind}
          onInput=${setKind}
          options=${[
            ['csv', 'CSV'],
            ['jsonl', 'JSON lines'],
          ]}
        />
      <//>
    <//>
  <//>`;
}
