// Signing in with mail address and password, and a code where the account asks for one.
import {html, useState} from '../libraries.js';
import {post} from '../api.js';
import {Card} from '../frame.js';
import {address, go, path} from '../router.js';
import {entered} from '../session.js';
import {Field, Form} from '../ui/form.js';
import {t} from '../words.js';

export function SignIn() {
  const [email, setEmail] = useState('');
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const submit = async () => {
    try {
      entered(
        await post('/auth/login', {email: email.trim(), password, ...(code ? {code: code.replace(/\s/g, '')} : {})}),
      );
      // Whoever was shown this page in place of another is shown that one now.
      if (path.peek() === '/signin') go('/', {replace: true});
    } catch (error) {
      if (/** @type {any} */ (error).slug === 'code-needed') {
        setNeedsCode(true);
        if (!code) return;
      }
      throw error;
    }
  };
  return html`<${Card} title=${t('signin.title')}>
    <${Form} onSubmit=${submit} label=${t('signin.go')}>
      <${Field}
        label=${t('email')}
        type="email"
        autocomplete="username"
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
    <p class="muted"><a href=${address('/forgotten')}>${t('signin.forgotten')}</a></p>
  <//>`;
}
