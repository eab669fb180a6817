// Signing in with mail address and password, and a code where the account asks for one; or with a passkey.
import {html, useState} from '../libraries.js';
import {get, post} from '../api.js';
import {Card} from '../frame.js';
import * as passkeys from '../passkeys.js';
import {address, go, path} from '../router.js';
import {entered} from '../session.js';
import {complain} from '../toasts.js';
import {Field, Form} from '../ui/form.js';
import {useLoad} from '../ui/load.js';
import {t} from '../words.js';

export function SignIn() {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const ways = useLoad(signal => get('/auth/ways', {}, signal), []);
  /** @param {any} me */
  const enter = me => {
    entered(me);
    // Whoever was shown this page in place of another is shown that one now.
    if (path.peek() === '/signin') go('/', {replace: true});
  };
  const submit = async () => {
    try {
      enter(await post('/auth/login', {email: email.trim(), password, code: code.replace(/\s/g, '')}));
    } catch (error) {
      if (/** @type {any} */ (error).slug === 'second-factor') {
        setNeedsCode(true);
        return;
      }
      throw error;
    }
  };
  const byPasskey = async () => {
    try {
      enter(await post('/auth/passkey', {credential: await passkeys.show()}));
    } catch (error) {
      if (!(error instanceof passkeys.Cancelled)) complain(error);
    }
  };
  return html`<${Card} title=${t('signin.title')}>
    <${Form}
      onSubmit=${submit}
      label=${t('signin.go')}
      extra=${passkeys.able() && html`<button type="button" onClick=${byPasskey}>${t('signin.passkey')}</button>`}
    >
      <${Field}
        label=${t('email')}
        type="email"
        autocomplete="username webauthn"
        required
        value=${email}
        onInput=${setEmail}
        maxlength="250"
      />
      <${Field}
        label=${t('password')}
        type="password"
        autocomplete="current-password"
        required
        value=${password}
        onInput=${setPassword}
        maxlength="1000"
      />
      ${
        needsCode &&
        html`<${Field}
          label=${t('signin.code')}
          hint=${t('signin.code.hint')}
          inputmode="numeric"
          autocomplete="one-time-code"
          required
          value=${code}
          onInput=${setCode}
          maxlength="40"
          autofocus
        />`
      }
    <//>
    <p class="row">
      <a href=${address('/forgotten')}>${t('signin.forgotten')}</a>
      ${ways.value?.signup === 'open' && html`<a href=${address('/signup')}>${t('signup.title')}</a>`}
    </p>
  <//>`;
}
