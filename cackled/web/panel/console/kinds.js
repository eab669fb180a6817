// What the API gives to the console: the shapes of chats, messages and what is told live. Types alone, and small judgements.

/** @typedef {{id: string, name: string, avatar?: string | null}} Person */
/** A picture; its address is on this server. @typedef {{id: string, url: string, alt?: string, width?: number, height?: number, color?: string, name?: string, type?: string, bytes?: number}} File */
/**
 * @typedef {object} Message
 * @property {string} id
 * @property {number} [seq] its place; a note has one too where the server counts notes
 * @property {'visitor' | 'operator' | 'bot' | 'system'} from
 * @property {Person | null} author
 * @property {string} text
 * @property {string} [html]
 * @property {File[]} [files]
 * @property {string} created
 * @property {string | null} [edited]
 * @property {boolean} [deleted]
 * @property {string} [key] what the writer's program called it
 * @property {'text' | 'event' | 'note'} [kind]
 * @property {{name: string, [more: string]: any}} [event]
 * @property {string[]} [quick]
 */
/**
 * @typedef {object} Chat
 * @property {string} id
 * @property {'waiting' | 'open' | 'snoozed' | 'offline' | 'closed'} state
 * @property {string} [status] the whole state, `snoozed` and `spam` included
 * @property {Person | null} [operator]
 * @property {Person | null} [assignee]
 * @property {number | null} [position]
 * @property {number | null} [wait]
 * @property {{visitor: number, operator: number}} [read]
 * @property {{score: number, text: string} | null} [rating]
 * @property {string} created
 * @property {string | null} [closed]
 * @property {string | null} [closed_by]
 * @property {{name?: string, verified?: boolean, country?: string | null, language?: string | null}} [visitor]
 * @property {any} [department]
 * @property {{from: string, text?: string, created: string} | null} [last]
 * @property {number} [unread]
 * @property {string[]} [labels]
 * @property {Person[]} [guests] colleagues who help
 * @property {string | null} [waiting_since]
 * @property {string | null} [until] when a snoozed one comes back
 * @property {number} [seq] its newest message
 * @property {number} [version] grows with its state
 * @property {string} [channel] where what is said in it is told
 * @property {number} [told] where that channel stood
 * @property {number} [said] the seq of the message whose words are in *last*
 * @property {number} [sure] up to where in its channel those words are its last
 * @property {boolean} [offered] its holder did nothing with it yet
 * @property {{waiting: number, open: number}} [counts] of an event: right after it
 * @property {any} [card]
 * @property {Person[]} [viewers]
 */

/** The lists, in the order of the console. */
export const LISTS = ['waiting', 'mine', 'others', 'offline', 'snoozed', 'closed', 'all'];

/** The whole state of a chat; visitors are not told that it was snoozed. @param {Chat} chat */
export const whole = chat => chat.status || chat.state;

/** Who has a chat. @param {Chat} chat */
export const holder = chat => chat.assignee ?? chat.operator ?? null;

/**
 * Whether a chat stands in a list.
 * @param {Chat} chat
 * @param {string} list
 * @param {string} me
 */
export function belongs(chat, list, me) {
  const mine = String(holder(chat)?.id ?? '') === me;
  const state = whole(chat);
  const helps = (chat.guests || []).some(one => String(one.id) === me);
  if (list === 'mine') return (mine || helps) && state === 'open';
  if (list === 'others') return !mine && !helps && state === 'open';
  return list === 'all' || state === list;
}

/** What is asked of the server for a list. @param {string} list */
export const stateOf = list => (list === 'others' ? 'open' : list);

/** A time as milliseconds; 0 where there is none. @param {string | null | undefined} at */
export const time = at => (at ? Date.parse(at) || 0 : 0);

/** When something happened in a chat last. @param {Chat} chat */
export const latest = chat => time(chat.last?.created) || time(chat.created);

/**
 * The order of a list: who waits longest first, elsewhere what happened last.
 * @param {string} list
 * @returns {(a: Chat, b: Chat) => number}
 */
export const order = list => (a, b) =>
  list === 'waiting'
    ? time(a.waiting_since || a.created) - time(b.waiting_since || b.created) || (a.id < b.id ? -1 : 1)
    : latest(b) - latest(a) || (a.id < b.id ? -1 : 1);
