/* Emoji to choose from, above the composer; loaded when they are asked for. */
import {el} from '../../../web/lib/dom.js';
import {insert} from './writing.js';

const EMOJI = [...'😀😂😊😍🤔😅😢😡👍👎🙏👏💪🎉❤️🔥✨✅❌⏰📎📦💳🚚'].filter(one => one !== '\ufe0f');

/**
 * Shows them, or hides them again.
 * @param {import('./conversation.js').ChatPanel} w
 */
export function toggleEmoji(w) {
  const {emoji, smile} = w;
  if (!emoji.firstChild) emoji.append(...EMOJI.map(one => el('button', {onclick: () => insert(w, one)}, one)));
  emoji.hidden = !emoji.hidden;
  smile.setAttribute('aria-expanded', '' + !emoji.hidden);
}
