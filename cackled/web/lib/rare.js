/* What few pages need: words for the page's owner, and channels that take more than the loader knows. */
import './warn.js';
import './key.js';
