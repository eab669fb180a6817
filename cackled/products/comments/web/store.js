/* What the widget knows of a conversation, without a node: comments that stand in the page, that wait, that went; how
   many there are; how far it is known; what is under way. What events and answers make of it is decided in judge.js. */
import {Tally} from './reckon.js';

/** @typedef {import('../../../web/lib/link.js').Message} Message */
/**
 * @typedef {object} Comment as the API has it, or one of our own that is not acknowledged
 * @property {any[]} [media] its pictures
 * @property {any[]} [links] previews of its links
 * @property {string[]} [share] networks that it is shared on
 * @property {string} id
 * @property {string | null} parent
 * @property {any} root its thread; of one that is not acknowledged nothing
 * @property {number} depth
 * @property {any} author
 * @property {any} [html]
 * @property {string} created
 * @property {string | null} [edited]
 * @property {number} up
 * @property {number} down
 * @property {number} score
 * @property {boolean} [deleted]
 * @property {any} [replies]
 * @property {any} [more] how many answers there are that are not here
 * @property {string} [source] what its author wrote
 * @property {any} [text] of one that is not acknowledged
 * @property {boolean} [pending]
 * @property {string} [state] of one that only its author sees yet
 * @property {Record<string, number>} [reactions] how many of each
 * @property {boolean} [featured]
 * @property {boolean} [locked] it takes no answers
 */
/**
 * What is sent: it carries one idempotency key through every retry, and through a reload of the tab.
 * @typedef {object} Entry
 * @property {string} key
 * @property {string | null} parent
 * @property {string | null | undefined} to whom it answers, where that is deeper than replies may hang
 * @property {string} text
 * @property {string} name
 * @property {number} at
 * @property {any[]} [media] its pictures
 * @property {any[]} [links] previews of its links
 * @property {string} draft under which the words are stored until they are acknowledged
 */
/**
 * A comment that stands in the page.
 * @typedef {object} Item
 * @property {Comment} c
 * @property {Item | null} parent
 * @property {number} depth
 * @property {number} seq the event that its text is from
 * @property {number} asof up to which it is known what hangs on it
 * @property {boolean} [pinned] by a moderator
 * @property {boolean} [gone] the server has said so; a tombstone of this kind leaves with its last answer
 * @property {boolean} [grafted] it came with a page of replies
 * @property {string | null} [cursor] of its replies
 * @property {{words: string, commit: (leaving?: boolean) => void, timer: any, sent?: boolean} | null} [going] taken
 *     away, and not yet for good
 * @property {number} [wish] the vote that is wanted
 * @property {number} [sure] the one that the server has
 * @property {boolean} [voting] one is on its way
 * @property {{up: number, down: number, score: number} | null} [told] the newest counts, that wait for it
 * @property {number} [scoreSeq]
 * @property {any} [entry] an `Entry`, of one that is not acknowledged
 * @property {any} [error] why it could not be sent
 * @property {boolean} [busy] it is being sent
 * @property {any} [again] why sending it again takes more: true, its author was asked to change it; or warnings to read
 * @property {string} [proof] that the browser has worked for it
 * @property {number} [proofs] how often it has
 * @property {boolean} [shown] though its author is blocked
 * @property {boolean} [whole] not folded
 * @property {boolean} [opening] its text is fetched for editing
 * @property {any} [form] an open form of reply, and one of editing
 * @property {any} [edit]
 * @property {HTMLElement} node
 * @property {HTMLElement} body
 * @property {DocumentFragment | null} [away] what is in its node, while that is far from the window
 * @property {any} [album] the row of its pictures
 * @property {HTMLElement} slot where a form of reply stands
 * @property {any} [text] nodes that are there, or not, by what the comment is
 * @property {any} [acts]
 * @property {any} [list] of its replies
 * @property {any} [nest]
 * @property {any} [line]
 * @property {any} [unfold]
 * @property {any} [rest]
 * @property {any} [reacts] the place of reactions
 * @property {any} [polls] the places of those that it shows, by id
 * @property {any} [reacting] how many of one's own are on their way
 * @property {any} [reacted] the last of them
 * @property {any} [reactionsTold] the newest counts, that wait for those
 * @property {any} [reactionsSeq]
 * @property {any} [up]
 * @property {any} [down]
 * @property {any} [score]
 * @property {any} [more]
 * @property {any} [reply]
 * @property {any} [editButton]
 */

/** What is known of a comment where what is loaded ends. @typedef {{id: string, up: number, down: number, created?: string}} Edge */

/**
 * The seq of an answer.
 * @param {{position: string}} data
 */
export const seqOf = data => +data.position.split('@')[1];

export class Store {
  constructor() {
    /** Up to which events are known. */
    this.seq = 0;
    this.tally = new Tally();
    /** @type {Map<string, Item>} what stands in the page, by id or key */
    this.items = new Map();
    /** @type {Map<string, Comment>} what would move the page and waits for the reader */
    this.waiting = new Map();
    /** @type {Comment[]} what may be one of our own that is being sent; its answer tells */
    this.held = [];
    /** @type {Map<string, Comment>} deleted before they were shown: shown where answers hang on them */
    this.ghosts = new Map();
    /** @type {Set<string>} deleted while something of our own is being sent */
    this.gone = new Set();
    /** @type {Set<string>} authors */
    this.blocked = new Set();
    /** @type {Record<string, number>} one's own */
    this.votes = {};
    /** @type {Record<string, string[]>} one's own, by comment */
    this.reactions = {};
    /** @type {Comment[]} what only its author sees, or sees another way than others */
    this.mine = [];
    /** How many of those count for their author, and not in what others are told. */
    this.extra = 0;
    /** @type {number[]} the last seqs at which something changed that others are not told */
    this.quiet = [];
    // Where what is loaded ends: the next page's cursor, the last comment as it stood then, and whether votes may have
    // lifted others over that.
    /** @type {string | null} */
    this.cursor = null;
    /** @type {Edge | null} */
    this.edge = null;
    this.lifted = false;
    /** How many are missing where asking found nothing. */
    this.nothing = 0;
    /** How many pages are on their way: while there are any, events wait. */
    this.pauses = 0;
    /** @type {Message[]} */
    this.paused = [];
  }

  /**
   * A first page. What waited for an answer is on this page, or on one that comes later.
   * @param {any} data
   */
  begin(data) {
    const me = data.me || {};
    this.seq = seqOf(data);
    this.tally.begin(data.channel.comments, this.seq);
    this.held = [];
    this.ghosts.clear();
    this.ends(data.page);
    Object.assign(this.votes, me.votes);
    Object.assign(this.reactions, me.reactions);
    this.mine = me.own || [];
    (me.blocked || []).forEach((/** @type {string} */ id) => this.blocked.add(id));
  }

  /** @param {{comments: Comment[], cursor: string | null}} page */
  ends(page) {
    const last = page.comments[page.comments.length - 1];
    this.cursor = page.cursor;
    this.edge = page.cursor && last ? {...last} : null;
    this.lifted = false;
  }

  /** How many comments there are for this reader. */
  count() {
    return this.tally.value() + this.extra;
  }
}
