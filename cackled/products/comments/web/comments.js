/* The comments widget: what its first render needs. */
import './widget.js';
