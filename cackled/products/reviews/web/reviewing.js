/* What reading doesn't wait for. */
export {castVote, openActs} from './acts.js';
export {showChecks} from './checks.js';
export {openForm} from './form.js';
export {begin, flush, nextPage, resort} from './live.js';
export {invite, showWays} from './sign.js';
export {showVersions} from './versions.js';
export {openViewer} from './viewer.js';
