// The editor of canned replies.
import {html, useEffect, useState} from '../libraries.js';
import {patch, post, remove, tagOf} from '../api.js';
import {complain, toast} from '../toasts.js';
import {Confirm, Dialog} from '../ui/dialog.js';
import {Choice, Field, Form} from '../ui/form.js';
import {Table} from '../ui/table.js';
import {languages, number, t} from '../words.js';
import {fill, VARIABLES} from './canned.js';
import {Head} from './pages_of.js';
import {naming} from './parts.js';

const SAMPLE = {
  visitor: {name: 'Ada', mail: 'ada@example.com'},
  operator: {name: 'Ben'},
  page: {title: 'Shop', url: 'https://shop.example/'},
  site: {name: 'Shop'},
  department: {name: 'Sales'},
};

/** @param {{site: string, work: import('./work.js').Work}} props */
export function CannedPage({site, work}) {
  const [open, setOpen] = useState(/** @type {any} */ (null));
  const [gone, setGone] = useState(/** @type {any} */ (null));
  const base = `/sites/${site}/chats/replies`;
  useEffect(() => {
    work.load();
  }, [work]);
  const done = () => {
    setOpen(null);
    setGone(null);
    work.load();
  };
  return html`<div class="page">
    <${Head}
      site=${site}
      current="replies"
      lead=${t('chat.replies.lead')}
      aside=${html`<button type="button" class="primary" onClick=${() => setOpen({short: '', text: '', language: '', department: ''})}>${t('chat.replies.new')}</button>`}
    />
    <${Table}
      label=${t('chat.replies')}
      rows=${work.replies.value}
      id=${(/** @type {any} */ one) => one.id}
      empty=${t('chat.replies.none')}
      columns=${[
        {
          label: t('chat.replies.short'),
          cell: (/** @type {any} */ one) => html`<code>/${String(one.short).replace(/^\//, '')}</code>`,
        },
        {
          label: t('chat.replies.text'),
          cell: (/** @type {any} */ one) => html`<span class="cut" dir="auto">${one.text}</span>`,
        },
        {
          label: t('language'),
          cell: (/** @type {any} */ one) => (one.language ? naming('language', one.language) : t('chat.any')),
        },
        {
          label: t('chat.department'),
          cell: (/** @type {any} */ one) => work.departmentName(one.department) || t('chat.any'),
        },
        {label: t('chat.replies.uses'), number: true, cell: (/** @type {any} */ one) => number(one.uses || 0)},
        {
          label: t('actions'),
          hidden: true,
          cell: (/** @type {any} */ one) =>
            html`<span class="actions end">
              <button
                type="button"
                onClick=${() => setOpen({...one, language: one.language || '', department: String(one.department?.id ?? one.department ?? '')})}
              >
                ${t('change')}
              </button>
              <button type="button" class="danger" onClick=${() => setGone(one)}>${t('remove')}</button>
            </span>`,
        },
      ]}
    />
    ${open && html`<${Editor} base=${base} one=${open} work=${work} onClose=${() => setOpen(null)} onDone=${done} />`}
    ${
      gone &&
      html`<${Confirm}
        title=${t('chat.replies.remove')}
        text=${gone.text}
        label=${t('remove')}
        onYes=${() => remove(`${base}/${encodeURIComponent(gone.id)}`).then(done, complain)}
        onClose=${() => setGone(null)}
      />`
    }
  </div>`;
}

/** @param {{base: string, one: any, work: import('./work.js').Work, onClose: () => void, onDone: () => void}} props */
function Editor({base, one, work, onClose, onDone}) {
  const [value, setValue] = useState(one);
  const set = (/** @type {string} */ name) => (/** @type {string} */ to) => setValue({...value, [name]: to});
  const submit = async () => {
    const body = {
      short: value.short.trim().replace(/^\//, ''),
      text: value.text.trim(),
      language: value.language || '',
      department: value.department || '',
    };
    await (one.id ? patch(`${base}/${encodeURIComponent(one.id)}`, body, {match: tagOf(one)}) : post(base, body));
    toast(t('saved'));
    onDone();
  };
  return html`<${Dialog} title=${one.id ? t('change') : t('chat.replies.new')} onClose=${onClose}>
    <${Form}
      onSubmit=${submit}
      onTheirs=${onDone}
      label=${t('save')}
      disabled=${!value.short.trim() || !value.text.trim()}
    >
      <${Field}
        label=${t('chat.replies.short')}
        hint=${t('chat.replies.short.hint')}
        maxlength="40"
        required
        value=${value.short}
        onInput=${set('short')}
        spellcheck="false"
      />
      <${Field}
        label=${t('chat.replies.text')}
        area
        rows=${5}
        maxlength="5000"
        required
        value=${value.text}
        onInput=${set('text')}
        hint=${html`${t('chat.replies.variables')} ${VARIABLES.map(name => html`<code key=${name}>${`{${name}}`}</code> `)}`}
      />
      ${value.text && html`<p class="small" dir="auto">${fill(value.text, SAMPLE)}</p>`}
      <div class="pair">
        <${Choice}
          label=${t('language')}
          value=${value.language}
          onInput=${set('language')}
          options=${[['', t('chat.any')], ...languages().map(code => [code, naming('language', code)])]}
        />
        <${Choice}
          label=${t('chat.department')}
          value=${value.department}
          onInput=${set('department')}
          options=${[['', t('chat.any')], ...work.departments.value.map(d => [String(d.id), d.name])]}
        />
      </div>
    <//>
  <//>`;
}
