// The sites where somebody has a role, and where to begin on one.
import {html, useEffect, useState} from '../libraries.js';
import {post} from '../api.js';
import {address, go} from '../router.js';
import {load, may, sites} from '../session.js';
import {Dialog} from '../ui/dialog.js';
import {Field, Form} from '../ui/form.js';
import {Lines, tidy} from '../ui/list.js';
import {Heading, Mark} from '../ui/parts.js';
import {Empty} from '../ui/load.js';
import {t} from '../words.js';

export function Sites() {
  const [open, setOpen] = useState(false);
  return html`<div class="page narrow">
    <${Heading} aside=${html`<button type="button" onClick=${() => setOpen(true)}>${t('sites.make')}</button>`}
      >${t('sites.title')}<//
    >
    ${open && html`<${Make} onClose=${() => setOpen(false)} />`}
    ${
      sites.value.length === 0
        ? html`<${Empty}><p>${t('sites.none')}</p><//>`
        : html`<ul class="cards">
            ${sites.value.map(
              one =>
                html`<li key=${one.site}>
                  <a class="tile" href=${address(`/sites/${one.site}`)}>
                    <strong><bdi>${one.name || t('site.n', {id: String(one.site)})}</bdi></strong>
                    <${Mark}>${t(`role.${one.role}`)}<//></a
                  >
                </li>`,
            )}
          </ul>`
    }
  </div>`;
}

/** The first page of a site: what its visitor may do most. @param {{site: string}} props */
export function Home({site}) {
  useEffect(() => {
    const first = may(site, 'moderator') ? 'queue' : may(site, 'analyst') ? 'statistics' : 'account';
    go(first === 'account' ? '/account' : `/sites/${site}/${first}`, {replace: true});
  }, []);
  return null;
}

/** A new site, where anybody may make one. @param {{onClose: () => void}} props */
function Make({onClose}) {
  const [name, setName] = useState('');
  const [origins, setOrigins] = useState(/** @type {string[]} */ ([]));
  const submit = async () => {
    const made = await post('/sites', {name: name.trim(), origins: tidy(origins)});
    await load();
    onClose();
    go(`/sites/${made.site}/${made.waiting.length ? 'hosts' : 'settings'}`);
  };
  return html`<${Dialog} title=${t('sites.make')} onClose=${onClose}>
    <${Form} onSubmit=${submit} label=${t('sites.make')}>
      <${Field} label=${t('name')} required maxlength="200" value=${name} onInput=${setName} />
      <${Lines}
        label=${t('settings.origins')}
        hint=${t('settings.origins.hint')}
        rows=${3}
        value=${origins}
        onInput=${setOrigins}
      />
    <//>
  <//>`;
}
