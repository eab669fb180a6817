import {html} from '../libraries.js';
import {address} from '../router.js';
import {Heading} from '../ui/parts.js';
import {t} from '../words.js';

/** There is no such page, or not for this person: which of both is nobody's business. */
export function Missing() {
  return html`<div class="page narrow">
    <${Heading}>${t('missing.title')}<//>
    <p>${t('missing.text')}</p>
    <p><a href=${address('/')}>${t('missing.home')}</a></p>
  </div>`;
}
