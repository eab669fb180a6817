// What needs a fresh proof that it is really them: its form stays as it is while they show it.
import {html, signal, useState} from '../libraries.js';
import {onRefused, post} from '../api.js';
import * as passkeys from '../passkeys.js';
import {complain} from '../toasts.js';
import {t} from '../words.js';
import {Dialog} from './dialog.js';
import {Field, Form} from './form.js';

const asked = signal(false);

onRefused(refused => {
  if (refused.slug === 'not-fresh') asked.value = true;
});

/** @param {{children?: any}} props */
export function Fresh({children}) {
  return html`<div hidden=${asked.value} class="stack">${children}</div>
    ${asked.value && html`<${Again} onShown=${() => {}} onCancel=${() => {}} />`}`;
}

/**
 * The same for a button without a form, once its call was refused: asks in a dialog, and then does it.
 * @param {{title: string, act: () => void, onClose: () => void}} props
 */
export function FreshDialog({title, act, onClose}) {
  const close = () => {
    asked.value = false;
    onClose();
  };
  const shown = () => {
    close();
    act();
  };
  return html`<${Dialog} title=${title} onClose=${close}><${Again} onShown=${shown} onCancel=${close} /><//>`;
}

/** @param {{onShown: () => void, onCancel: () => void}} props */
function Again({onShown, onCancel}) {
  const [password, setPassword] = useState('');
  const [code, setCode] = useState('');
  const cancel = () => {
    asked.value = false;
    onCancel();
  };
  const submit = async () => {
    await post('/auth/confirm', {password, code: code.replace(/\s/g, '')});
    asked.value = false;
    onShown();
  };
  const byPasskey = async () => {
    try {
      await post('/auth/confirm', {credential: await passkeys.show()});
      asked.value = false;
      onShown();
    } catch (error) {
      if (!(error instanceof passkeys.Cancelled)) complain(error);
    }
  };
  return html`<p>${t('fresh.text')}</p>
    <${Form}
      onSubmit=${submit}
      label=${t('fresh.go')}
      extra=${html`${passkeys.able() && html`<button type="button" onClick=${byPasskey}>${t('signin.passkey')}</button>`}
        <button type="button" onClick=${cancel}>${t('cancel')}</button>`}
    >
      <${Field}
        label=${t('password')}
        type="password"
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
