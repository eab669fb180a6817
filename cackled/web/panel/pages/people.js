// Somebody's data, for whoever runs the site: find a visitor, give out what is stored of them, forget them. The last two
// are for who has just shown that it is them.
import {html, useState} from '../libraries.js';
import {get, post} from '../api.js';
import {query, setQuery} from '../router.js';
import {complain, toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Check, Choice, Field, Form} from '../ui/form.js';
import {Fresh, FreshDialog} from '../ui/fresh.js';
import {Loaded, useLoad} from '../ui/load.js';
import {Heading, Name, When} from '../ui/parts.js';
import {Table} from '../ui/table.js';
import {number, t} from '../words.js';

/** @typedef {{id: string, name: string, email: string, comments: number, seen: string}} Person */

/** @param {{site: string}} props */
export function PeoplePage({site}) {
  const base = `/sites/${site}/people`;
  const q = query.value.get('q') || '';
  const [text, setText] = useState(q);
  const [again, setAgain] = useState(/** @type {Person | null} */ (null));
  const [erasing, setErasing] = useState(/** @type {Person | null} */ (null));
  const loaded = useLoad(async signal => (q ? get(base, {q}, signal) : {people: null}), [base, q]);
  /** @param {Person} one */
  const save = async one => {
    try {
      const data = await get(`${base}/${one.id}/data`);
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([JSON.stringify(data, null, 2)], {type: 'application/json'}));
      link.download = `visitor-${one.id}.json`;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    } catch (error) {
      if (/** @type {import('../api.js').Refused} */ (error).slug === 'not-fresh') setAgain(one);
      else complain(error);
    }
  };
  return html`<div class="page">
    <${Heading} lead=${t('people.lead')} aside=${html`<a href=${`/privacy/${site}`}>${t('people.page')}</a>`}
      >${t('nav.people')}<//
    >
    <${Form} label=${t('people.find')} onSubmit=${async () => setQuery({q: text.trim()})} disabled=${!text.trim()}>
      <${Field} label=${t('people.who')} hint=${t('people.hint')} maxlength="250" value=${text} onInput=${setText} />
    <//>
    <${Loaded} from=${loaded}>
      ${(/** @type {{people: Person[] | null}} */ found) =>
        found.people &&
        html`<${Table}
          label=${t('nav.people')}
          rows=${found.people}
          id=${(/** @type {Person} */ one) => one.id}
          empty=${t('people.none')}
          columns=${[
            {
              label: t('name'),
              cell: (/** @type {Person} */ one) =>
                html`<${Name} name=${one.name} /> <span class="muted"><bdi>${one.email}</bdi></span>`,
            },
            {label: t('statistics.comments'), number: true, cell: (/** @type {Person} */ one) => number(one.comments)},
            {label: t('author.last'), cell: (/** @type {Person} */ one) => html`<${When} at=${one.seen} />`},
            {
              label: t('actions'),
              hidden: true,
              cell: (/** @type {Person} */ one) =>
                html`<div class="actions end">
                  <button type="button" onClick=${() => save(one)}>${t('transfer.download')}</button>
                  <button type="button" class="danger" onClick=${() => setErasing(one)}>${t('people.erase')}</button>
                </div>`,
            },
          ]}
        />`}
    <//>
    ${
      again &&
      html`<${FreshDialog} title=${t('transfer.download')} act=${() => save(again)} onClose=${() => setAgain(null)} />`
    }
    ${
      erasing &&
      html`<${Erase} base=${base} person=${erasing} onClose=${() => setErasing(null)} onDone=${loaded.again} />`
    }
  </div>`;
}

/** @param {{base: string, person: Person, onClose: () => void, onDone: () => Promise<void>}} props */
function Erase({base, person, onClose, onDone}) {
  const [mode, setMode] = useState('remove');
  const [sure, setSure] = useState(false);
  const submit = async () => {
    await post(`${base}/${person.id}/erase`, {mode, sure});
    onClose();
    toast(t('people.erased'));
    await onDone();
  };
  return html`<${Dialog} title=${t('people.erase')} onClose=${onClose}>
    <${Fresh}>
      <${Form} label=${t('people.erase')} onSubmit=${submit} disabled=${!sure}>
        <p><${Name} name=${person.name} /> <bdi class="muted">${person.email}</bdi></p>
        <${Choice}
          label=${t('people.mode')}
          value=${mode}
          options=${[
            ['remove', t('people.remove')],
            ['anonymise', t('people.anonymise')],
          ]}
          onInput=${setMode}
        />
        <${Check} label=${t('people.sure')} checked=${sure} onInput=${setSure} />
      <//>
    <//>
  <//>`;
}
