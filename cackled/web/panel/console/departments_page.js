// The departments that visitors choose from and operators answer for.
import {html, useState} from '../libraries.js';
import {get, patch, post, remove, tagOf} from '../api.js';
import {may} from '../session.js';
import {complain, toast} from '../toasts.js';
import {Confirm, Dialog} from '../ui/dialog.js';
import {Field, Form} from '../ui/form.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Table} from '../ui/table.js';
import {t} from '../words.js';
import {Head} from './pages_of.js';

/** @param {{site: string, work: import('./work.js').Work}} props */
export function DepartmentsPage({site, work}) {
  const base = `/sites/${site}/chats/departments`;
  const loaded = useLoad(signal => get(base, {}, signal), [site]);
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const [gone, setGone] = useState(/** @type {any} */ (null));
  const admin = may(site, 'admin');
  const done = () => {
    setOpen(null);
    setGone(null);
    loaded.again();
    work.load();
  };
  return html`<div class="page narrow">
    <${Head}
      site=${site}
      current="departments"
      aside=${admin && html`<button type="button" class="primary" onClick=${() => setOpen({name: ''})}>${t('list.add')}</button>`}
    />
    <${Loaded} from=${loaded} rows=${3}>
      ${(/** @type {any} */ found) =>
        html`<${Table}
          label=${t('chat.departments')}
          rows=${found.departments || []}
          id=${(/** @type {any} */ one) => one.id}
          empty=${t('chat.departments.none')}
          columns=${[
            {label: t('name'), cell: (/** @type {any} */ one) => html`<bdi>${one.name}</bdi>`},
            {
              label: t('actions'),
              hidden: true,
              cell: (/** @type {any} */ one) =>
                admin &&
                html`<span class="actions end">
                  <button type="button" onClick=${() => setOpen(one)}>${t('change')}</button>
                  <button type="button" class="danger" onClick=${() => setGone(one)}>${t('remove')}</button>
                </span>`,
            },
          ]}
        />`}
    <//>
    ${open && html`<${Department} base=${base} one=${open} onClose=${() => setOpen(null)} onDone=${done} />`}
    ${
      gone &&
      html`<${Confirm}
        title=${gone.name}
        text=${t('chat.departments.remove')}
        label=${t('remove')}
        onYes=${() => remove(`${base}/${encodeURIComponent(gone.id)}`).then(done, complain)}
        onClose=${() => setGone(null)}
      />`
    }
  </div>`;
}

/** @param {{base: string, one: any, onClose: () => void, onDone: () => void}} props */
function Department({base, one, onClose, onDone}) {
  const [name, setName] = useState(one.name);
  const submit = async () => {
    const body = {name: name.trim()};
    await (one.id ? patch(`${base}/${encodeURIComponent(one.id)}`, body, {match: tagOf(one)}) : post(base, body));
    toast(t('saved'));
    onDone();
  };
  return html`<${Dialog} title=${one.name || t('chat.department')} onClose=${onClose}>
    <${Form} onSubmit=${submit} onTheirs=${onDone} label=${t('save')} disabled=${!name.trim()}>
      <${Field} label=${t('name')} required maxlength="60" value=${name} onInput=${setName} />
    <//>
  <//>`;
}
