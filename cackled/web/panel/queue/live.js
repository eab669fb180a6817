// What happens in a site's queue, live: an EventSource to the staff's channel, resumed by position.
import {get} from '../api.js';

/** Milliseconds after which the stream comes anew: what it was opened with holds for some minutes. */
const OLD = 120_000;

/**
 * Listen until the returned function is called.
 * @param {string} site
 * @param {{event: (event: {type: string, data: any}) => void, missed: () => void, state: (live: boolean) => void,
 *   reached?: (seq: number) => void}} handler
 *   *missed*: events may be missing, load anew; *reached*: the number that the channel stands at
 * @returns {() => void}
 */
export function listen(site, {event, missed, state, reached = () => {}}) {
  /** @type {EventSource | null} */
  let source = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let closed = false;
  let position = '';
  let failures = 0;
  const again = () => {
    source?.close();
    state(false);
    clearTimeout(timer);
    if (!closed) timer = setTimeout(open, Math.min(30_000, 1000 * 2 ** failures++) * (0.5 + Math.random() / 2));
  };
  async function open() {
    clearTimeout(timer);
    let ticket;
    try {
      const place = await get(`/sites/${site}/moderation/live`);
      if (closed) return;
      ticket = place.token;
      // The same channel tells what was between; another one does not.
      if (position.split('@')[0] !== place.position.split('@')[0]) {
        if (position) missed();
        position = place.position;
        reached(Number(position.split('@')[1]));
      }
    } catch {
      return again();
    }
    source?.close();
    const mine = (source = new EventSource(`/rt/sse?${new URLSearchParams({sub: position, token: ticket})}`));
    timer = setTimeout(open, OLD);
    source.onopen = () => {
      failures = 0;
      state(true);
    };
    source.onmessage = ({data}) => {
      if (source !== mine) return;
      const told = JSON.parse(data);
      if (told.type === 'error') return again();
      // Somebody left: what comes next is told elsewhere.
      if (told.type === 'staff.moved') {
        failures = 0;
        return again();
      }
      if (told.type === 'recovered') {
        position = `${told.sub}@${told.seq}`;
        if (told.recovered === false) missed();
        return;
      }
      if (told.seq === undefined) return;
      position = `${told.sub}@${told.seq}`;
      reached(told.seq);
      event(told);
    };
    source.onerror = () => {
      // The browser comes back by itself, unless the server refused.
      if (source !== mine) return;
      if (mine.readyState === EventSource.CLOSED) again();
      else state(false);
    };
  }
  open();
  return () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
  };
}
