// Banning: whom, until when, openly or so that they don't notice; what it would hide is told before.
import {html, useEffect, useState} from '../libraries.js';
import {get, post} from '../api.js';
import {toast} from '../toasts.js';
import {Dialog} from '../ui/dialog.js';
import {Check, Choice, Field, Form} from '../ui/form.js';
import {reason, t} from '../words.js';

export const KINDS = ['visitor', 'account', 'address', 'network', 'mail', 'domain', 'name', 'word'];
const TERMS = ['1', '7', '30', '365', ''];

/**
 * @param {{site: string, start?: {kind: string, value: string}, choices?: [string, string][], onClose: () => void, onDone: (made: any) => void}} props
 *   *choices*: kinds with the values that are at hand, for one author
 */
export function BanDialog({site, start, choices = [], onClose, onDone}) {
  const [kind, setKind] = useState(start?.kind || 'visitor');
  const [value, setValue] = useState(start?.value || '');
  const [term, setTerm] = useState('7');
  const [shadow, setShadow] = useState(false);
  const [take, setTake] = useState('');
  const [days, setDays] = useState('30');
  const [note, setNote] = useState('');
  const [preview, setPreview] = useState('');
  useEffect(() => {
    if (!value.trim()) return setPreview('');
    const control = new AbortController();
    const timer = setTimeout(async () => {
      try {
        const found = await get(
          `/sites/${site}/bans/preview`,
          {kind, value: value.trim(), days: Number(days) || 30},
          control.signal,
        );
        setPreview(t('ban.preview', {n: found.count, days: found.days, names: found.names.slice(0, 5).join(', ')}));
      } catch (error) {
        if (!control.signal.aborted) setPreview(reason(error));
      }
    }, 350);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }, [kind, value, days]);
  const submit = async () => {
    const made = await post(`/sites/${site}/bans`, {
      kind,
      value: value.trim(),
      shadow,
      note: note.trim(),
      ...(term ? {days: Number(term)} : {}),
      ...(take ? {take, take_days: Number(days) || 30} : {}),
    });
    toast(t('ban.done'));
    onDone(made);
  };
  /** @param {string} next */
  const pick = next => {
    setKind(next);
    const known = choices.find(([one]) => one === next);
    if (known) setValue(known[1]);
  };
  return html`<${Dialog} title=${t('ban.title')} onClose=${onClose}>
    <${Form} onSubmit=${submit} label=${t('do.ban')} disabled=${!value.trim()}>
      <${Choice}
        label=${t('ban.kind')}
        value=${kind}
        onInput=${pick}
        options=${KINDS.map(one => [one, t(`ban.${one}`)])}
      />
      <${Field}
        label=${t(`ban.${kind}`)}
        hint=${t(`ban.${kind}.hint`)}
        required
        maxlength="200"
        value=${value}
        onInput=${setValue}
        spellcheck="false"
      />
      <${Choice}
        label=${t('ban.term')}
        value=${term}
        onInput=${setTerm}
        options=${TERMS.map(one => [one, one ? t('ban.days', {n: Number(one)}) : t('ban.ever')])}
      />
      <${Check} label=${t('ban.shadow')} hint=${t('ban.shadow.hint')} checked=${shadow} onInput=${setShadow} />
      <p class="muted reserved" role="status">${preview}</p>
      <div class="pair">
        <${Choice}
          label=${t('ban.take')}
          value=${take}
          onInput=${setTake}
          options=${[['', t('ban.take.none')], ...['reject', 'spam', 'delete'].map(one => [one, t(`do.${one}`)])]}
        />
        <${Field}
          label=${t('ban.take_days')}
          type="number"
          min="1"
          max="365"
          required
          value=${days}
          onInput=${setDays}
        />
      </div>
      <${Field} label=${t('ban.note')} maxlength="1000" value=${note} onInput=${setNote} />
    <//>
  <//>`;
}
