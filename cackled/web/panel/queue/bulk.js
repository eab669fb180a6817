// What is done to all that matches: on the server, with its progress; it can rest, go on, be stopped and undone.
import {html, useEffect, useState} from '../libraries.js';
import {get, post} from '../api.js';
import {complain, undoable} from '../toasts.js';
import {Progress} from '../ui/parts.js';
import {t} from '../words.js';

/** @typedef {{id: string, name: string, action: string, state: string, total: number, done: number, failed: number, at: string}} Row */

/**
 * @param {{site: string, id: string, onEnd: () => void}} props
 */
export function Running({site, id, onEnd}) {
  const [row, setRow] = useState(/** @type {Row | null} */ (null));
  useEffect(() => {
    let gone = false;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const look = async () => {
      try {
        const now = await get(`/sites/${site}/moderation/actions/${id}`);
        if (gone) return;
        setRow(now);
        if (now.state === 'done' || now.state === 'stopped' || now.state === 'undone') {
          undoable(t('bulk.done', {n: now.done}), () => steer('undo'));
          return onEnd();
        }
      } catch {
        // Asked again in a moment.
      }
      if (!gone) timer = setTimeout(look, 1000);
    };
    look();
    return () => {
      gone = true;
      clearTimeout(timer);
    };
  }, [id]);
  /** @param {string} verb */
  const steer = async verb => {
    try {
      const now = await post(`/sites/${site}/moderation/actions/${id}/${verb}`);
      if (verb !== 'undo') setRow(now);
    } catch (error) {
      complain(error);
    }
  };
  if (!row) return null;
  return html`<div class="panel running" role="status">
    <${Progress} label=${t(`did.${row.action}`, {n: row.done})} done=${row.done + row.failed} total=${row.total} />
    <div class="actions">
      ${row.state === 'paused' ? html`<button type="button" onClick=${() => steer('resume')}>${t('bulk.resume')}</button>` : html`<button type="button" onClick=${() => steer('pause')}>${t('bulk.pause')}</button>`}
      <button type="button" onClick=${() => steer('stop')}>${t('stop')}</button>
    </div>
  </div>`;
}
