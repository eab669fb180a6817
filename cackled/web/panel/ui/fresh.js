// What needs a fresh proof that it is really them: its form stays as it is while they show it.
import {html, signal, useState} from '../libraries.js';
import {onRefused, post} from '../api.js';
import {entered, me} from '../session.js';
import {t} from '../words.js';
import {Field, Form} from './form.js';

const asked = signal(false);

onRefused(refused => {
  if (refused.slug === 'not-fresh') asked.value = true;
});

/** @param {{children?: any}} props */
export function Fresh({children}) {
  return html`<div hidden=${asked.value}>${children}</div>
    ${asked.value && html`<${Again} />`}`;
}

function Again() {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const submit = async () => {
    entered(await post('/auth/login', {email: me.peek()?.account.email, password, ...(code ? {code} : {})}));
    asked.value = false;
  };
  return html`<p>${t('fresh.text')}</p>
    <${Form}
      onSubmit=${submit}
      label=${t('fresh.go')}
      extra=${html`<button type="button" onClick=${() => (asked.value = false)}>${t('cancel')}</button>`}
    >
      <${Field}
        label=${t('password')}
        type="password"
        required
        autocomplete="current-password"
        value=${password}
        onInput=${setPassword}
      />
      <${Field}
        label=${t('signin.code')}
        hint=${t('fresh.code')}
        inputmode="numeric"
        autocomplete="one-time-code"
        value=${code}
        onInput=${setCode}
      />
    <//>`;
}
