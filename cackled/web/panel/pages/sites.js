// The sites where somebody has a role, and where to begin on one.
import {html, useEffect} from '../libraries.js';
import {address, go} from '../router.js';
import {may, sites} from '../session.js';
import {Heading, Mark} from '../ui/parts.js';
import {Empty} from '../ui/load.js';
import {t} from '../words.js';

export function Sites() {
  return html`<div class="page narrow">
    <${Heading}>${t('sites.title')}<//>
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
