/* What reading doesn't wait for. */
export {awayWords, blockAuthor, finishAway, openEdit, openMenu} from './actions.js';
export {dress} from './composing.js';
export {followAuthor} from './follow.js';
export {invite, showProfile, showWays, signOut} from './identity.js';
export {flushWaiting} from './arrivals.js';
export {beginLive, onEvent, showConnection} from './live.js';
export {tellTyping} from './presence.js';
export {openReactions, toggleReaction} from './reacting.js';
export {enrich, replyQuoting} from './wording.js';
export {loadAll, loadReplies, nextPage, resort} from './paging.js';
export {drawPending, plainText, sendEntry} from './sending.js';
export {castVote} from './vote.js';
