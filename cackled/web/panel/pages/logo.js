// The site's logo: uploaded, seen, taken away. Pages, letters and the panel's head show it.
import {html} from '../libraries.js';
import {load} from '../session.js';
import {PictureButtons} from '../ui/picture_buttons.js';
import {t} from '../words.js';

/** @param {{site: string, setting: string, disabled: boolean, onChanged: () => void}} props */
export function Logo({site, setting, disabled, onChanged}) {
  const changed = () => {
    load();
    onChanged();
  };
  const [url] = setting.split('#');
  return html`<section class="panel">
    <h2>${t('setting.logo')}</h2>
    <p class="hint">${t('setting.logo.help')}</p>
    ${url && html`<img class="site-logo" src=${url} alt=${t('setting.logo')} />`}
    <${PictureButtons} path=${`/sites/${site}/logo`} there=${!!url} disabled=${disabled} onChanged=${changed} />
  </section>`;
}
