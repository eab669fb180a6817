/* What reading doesn't wait for. */
export {blockAuthor, finishAway, openEdit, openMenu, undoAway} from './actions.js';
export {invite, showProfile, showWays, signOut} from './identity.js';
export {beginLive, flushWaiting, onEvent, showConnection, tellTyping} from './live.js';
export {loadReplies, nextPage, resort} from './paging.js';
export {drawPending, openReply, sendEntry} from './sending.js';
export {castVote} from './vote.js';
