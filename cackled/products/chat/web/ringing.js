/* Sounds and notifications of the system for what comes in. Loaded with a conversation. */
import {Promise} from '../../../web/lib/loader.js';

/** @typedef {import('./conversation.js').ChatPanel} ChatPanel */
/** @typedef {import('./store.js').Message} Message */

const GESTURES = ['pointerdown', 'keydown'];
// How long a tab keeps the right to ring for one message, in milliseconds.
const HELD = 3000;
// How much later a tab tries that nobody looks at.
const LATER = 300;
const LONGEST = 200;

/** @param {ChatPanel} w */
export function makeRinging(w) {
  const {core} = w;
  /** @type {AudioContext | null} */
  let audio = null;

  // Browsers let nothing sound before the visitor has done something.
  const unlock = () => {
    try {
      audio = audio || new AudioContext();
      audio.resume().then(
        () => w.drawStatus(),
        () => {},
      );
    } catch {
      // No sound here.
    }
    GESTURES.forEach(one => removeEventListener(one, unlock, true));
  };
  GESTURES.forEach(one => addEventListener(one, unlock, true));
  const {userActivation} = navigator;
  if (userActivation && userActivation.hasBeenActive) unlock();

  const able = () => !!audio && audio.state === 'running';

  function sound() {
    if (!audio || !able()) return;
    const {currentTime: now, destination} = audio;
    [660, 880].forEach((pitch, n) => {
      const tone = /** @type {AudioContext} */ (audio).createOscillator();
      const volume = /** @type {AudioContext} */ (audio).createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0.08, now + n * 0.12);
      volume.gain.exponentialRampToValueAtTime(0.001, now + n * 0.12 + 0.25);
      tone.connect(volume).connect(destination);
      tone.start(now + n * 0.12);
      tone.stop(now + n * 0.12 + 0.3);
    });
  }

  /** @param {Message} message */
  function notify(message) {
    if (!window.Notification || Notification.permission !== 'granted') return;
    try {
      const body = [...message.text].slice(0, LONGEST).join('');
      const note = new Notification(message.author.name || w.t('chatTitle'), {body, tag: 'cackle-chat-' + w.site});
      note.onclick = () => {
        window.focus();
        note.close();
        core.toggle(true);
      };
    } catch {
      // Phones allow them to service workers alone.
    }
  }

  /** @param {Message} message */
  function tell(message) {
    if (!core.state().muted) sound();
    if (document.hidden) notify(message);
  }

  return {
    able,
    sound,
    /**
     * One for all tabs: whoever gets the lock. Where the visitor is looking, none.
     * @param {Message} message
     */
    ring(message) {
      const looking = core.open && document.hasFocus();
      const one = () => looking || tell(message);
      if (!navigator.locks) return void one();
      // Whoever is looked at is first, and silent; the others come a moment later.
      setTimeout(
        () =>
          navigator.locks
            .request('cackle-chat-sound:' + w.site + ':' + message.seq, {ifAvailable: true}, lock => {
              if (!lock) return;
              one();
              return new Promise(resolve => setTimeout(resolve, HELD));
            })
            .catch(one),
        looking ? 0 : LATER,
      );
    },
    /** Whether the visitor can be asked for notifications: only a click may do that. */
    askable: () => !!window.Notification && Notification.permission === 'default' && window.isSecureContext,
    ask: () =>
      Notification.requestPermission().then(
        () => w.draw(),
        () => {},
      ),
    end() {
      GESTURES.forEach(name => removeEventListener(name, unlock, true));
      if (audio) audio.close();
    },
  };
}
/** @typedef {ReturnType<typeof makeRinging>} Ringing */
