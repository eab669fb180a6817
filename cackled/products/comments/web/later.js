/* What reading doesn't wait for. */
import './vote.js';
import './actions.js';
import './paging.js';
import './sending.js';
import './live.js';
import './identity.js';
