// A password forgotten, a new one chosen by a link, an account made: what is told is the same whoever asks.
import {html, useState} from '../libraries.js';
import {post} from '../api.js';
import {Card} from '../frame.js';
import {address, go} from '../router.js';
import {entered} from '../session.js';
import {Field, Form} from '../ui/form.js';
import {t} from '../words.js';

const token = () => new URLSearchParams(location.hash.slice(1)).get('token') || '';

/** @param {{email: string}} props */
const Sent = ({email}) =>
  html`<p role="status">${t('joining.sent', {email})}</p>
    <p><a href=${address('/signin')}>${t('signin.title')}</a></p>`;

export function ForgottenPage() {
  const [email, setEmail] = useState('');
  const [sent, setSent] = useState('');
  const submit = async () => setSent((await post('/auth/reset', {email: email.trim()})).email);
  return html`<${Card} title=${t('signin.forgotten')}>
    ${
      sent
        ? html`<${Sent} email=${sent} />`
        : html`<p>${t('forgotten.text')}</p>
            <${Form} onSubmit=${submit} label=${t('forgotten.go')}
              ><${Field}
                label=${t('email')}
                type="email"
                autocomplete="username"
                required
                maxlength="250"
                value=${email}
                onInput=${setEmail}
            /><//>`
    }
  <//>`;
}

export function SignupPage() {
  const [email, setEmail] = useState('');
  const [name, setName] = useState('');
  const [sent, setSent] = useState('');
  const submit = async () => setSent((await post('/auth/signup', {email: email.trim(), name: name.trim()})).email);
  return html`<${Card} title=${t('signup.title')}>
    ${
      sent
        ? html`<${Sent} email=${sent} />`
        : html`<${Form} onSubmit=${submit} label=${t('signup.title')}>
            <${Field}
              label=${t('email')}
              type="email"
              autocomplete="username"
              required
              maxlength="250"
              value=${email}
              onInput=${setEmail} />
            <${Field}
              label=${t('name')}
              hint=${t('invitation.name')}
              autocomplete="name"
              maxlength="200"
              value=${name}
              onInput=${setName}
          /><//>`
    }
  <//>`;
}

export function ResetPage() {
  const [held] = useState(token);
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const [needsCode, setNeedsCode] = useState(false);
  const submit = async () => {
    try {
      entered(await post('/auth/link', {token: held, password, code: code.replace(/\s/g, '')}));
      go('/', {replace: true});
    } catch (error) {
      if (/** @type {any} */ (error).slug !== 'second-factor') throw error;
      setNeedsCode(true);
    }
  };
  if (!held) return html`<${Card} title=${t('reset.title')}><p>${t('link.none')}</p><//>`;
  return html`<${Card} title=${t('reset.title')}>
    <${Form} onSubmit=${submit} label=${t('reset.go')}>
      <${Field}
        label=${t('password')}
        hint=${t('password.hint')}
        type="password"
        required
        minlength="10"
        maxlength="200"
        autocomplete="new-password"
        value=${password}
        onInput=${setPassword}
      />
      ${needsCode && html`<${Field} label=${t('signin.code')} hint=${t('signin.code.hint')} inputmode="numeric" autocomplete="one-time-code" required value=${code} onInput=${setCode} />`}
    <//>
  <//>`;
}
