// What calls an operator: a sound, a note of the system, the number in the title and on the app's icon.
import {effect, signal} from '../libraries.js';
import {address} from '../router.js';
import {countInTitle} from '../title.js';
import {t} from '../words.js';

const SOUND = 'cackled-chat:sound';
/** Milliseconds between two sounds. */
const PAUSE = 1_500;

export class Alarms {
  /** @param {import('./talk.js').Keep} keep */
  constructor(keep) {
    this.keep = keep;
    this.wanted = signal(keep.get(SOUND) !== 'off');
    /** Browsers let pages sound after the first gesture only. */
    this.able = signal(false);
    this.allowed = signal(globalThis.Notification?.permission || 'denied');
    /** @type {AudioContext | null} */
    this.audio = null;
    this.last = 0;
    this.number = signal(0);
    this.unlock = () => this.begin();
    for (const name of ['pointerdown', 'keydown']) addEventListener(name, this.unlock, {capture: true});
    this.stop = effect(() => {
      const many = this.number.value;
      countInTitle(many);
      const app = /** @type {any} */ (navigator);
      if (many) app.setAppBadge?.(many)?.catch?.(() => {});
      else app.clearAppBadge?.()?.catch?.(() => {});
    });
  }

  begin() {
    try {
      this.audio ??= new AudioContext();
      this.audio.resume().then(
        () => {
          this.able.value = this.audio?.state === 'running';
        },
        () => {},
      );
    } catch {
      // No sound on this machine; title and notes do.
    }
    if (this.able.peek())
      for (const name of ['pointerdown', 'keydown']) removeEventListener(name, this.unlock, {capture: true});
  }

  /** @param {boolean} on */
  sound(on) {
    this.wanted.value = on;
    this.keep.set(SOUND, on ? '' : 'off');
    if (on) this.ring('message');
  }

  /** @param {'waiting' | 'message'} what */
  ring(what) {
    const {audio} = this;
    if (!this.wanted.peek() || !audio || audio.state !== 'running' || Date.now() - this.last < PAUSE) return;
    this.last = Date.now();
    for (const [at, tone] of what === 'waiting'
      ? [
          [0, 660],
          [0.16, 880],
          [0.32, 660],
        ]
      : [[0, 880]]) {
      const source = audio.createOscillator();
      const volume = audio.createGain();
      source.frequency.value = tone;
      const begin = audio.currentTime + at;
      volume.gain.setValueAtTime(0.0001, begin);
      volume.gain.exponentialRampToValueAtTime(0.15, begin + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, begin + 0.15);
      source.connect(volume).connect(audio.destination);
      source.start(begin);
      source.stop(begin + 0.16);
    }
  }

  async ask() {
    try {
      this.allowed.value = await Notification.requestPermission();
    } catch {
      this.allowed.value = 'denied';
    }
  }

  /** @param {number} many */
  count(many) {
    this.number.value = many;
  }

  /** @param {'waiting' | 'message'} what @param {string} site @param {import('./kinds.js').Chat} chat @param {string} text */
  tell(what, site, chat, text) {
    // Of several tabs one sounds: whoever holds the lock meanwhile.
    const locks = globalThis.navigator?.locks;
    if (locks)
      locks.request(`cackled-chat-${site}-${what}`, {ifAvailable: true}, async lock => {
        if (!lock) return;
        this.now(what, site, chat, text);
        await new Promise(done => setTimeout(done, PAUSE));
      });
    else this.now(what, site, chat, text);
  }

  /** @param {'waiting' | 'message'} what @param {string} site @param {import('./kinds.js').Chat} chat @param {string} text */
  async now(what, site, chat, text) {
    this.ring(what);
    if (!document.hidden || globalThis.Notification?.permission !== 'granted') return;
    const name = chat.visitor?.name || t('guest');
    const options = {
      body: what === 'waiting' ? t('chat.alarm.waiting') : text.slice(0, 140) || t('chat.alarm.message'),
      tag: `chat-${chat.id}`,
      icon: '/panel/icon.svg',
      data: {to: address(`/sites/${site}/chat`, {list: what === 'waiting' ? 'waiting' : 'mine', chat: chat.id})},
    };
    try {
      const worker = await navigator.serviceWorker?.getRegistration('/panel/');
      if (worker) await worker.showNotification(name, options);
      else new Notification(name, options).onclick = () => window.focus();
    } catch {
      // Not shown here: the title says it.
    }
  }

  close() {
    this.stop();
    for (const name of ['pointerdown', 'keydown']) removeEventListener(name, this.unlock, {capture: true});
    countInTitle(0);
    this.audio?.close().catch(() => {});
  }
}
