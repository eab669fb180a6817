// Where a one-time link leads: it signs in after a click, so that a mail scanner that follows links can't use it up.
import {html, useState} from '../libraries.js';
import {post} from '../api.js';
import {Card} from '../frame.js';
import {address, go} from '../router.js';
import {entered} from '../session.js';
import {Form} from '../ui/form.js';
import {t} from '../words.js';

export function Link() {
  const [token] = useState(() => new URLSearchParams(location.hash.slice(1)).get('token') || '');
  const submit = async () => {
    entered(await post('/auth/link', {token}));
    go('/', {replace: true});
  };
  if (!token)
    return html`<${Card} title=${t('link.title')}
      ><p>${t('link.none')}</p>
      <p><a href=${address('/signin')}>${t('signin.title')}</a></p><//
    >`;
  return html`<${Card} title=${t('link.title')}>
    <p>${t('link.text')}</p>
    <${Form} onSubmit=${submit} label=${t('link.go')}><//>
  <//>`;
}
