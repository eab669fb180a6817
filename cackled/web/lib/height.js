/* The height that is held before the first render, let go. */

// Pixels a frame; browsers take less than 3 for no movement.
const STEP = 2.8;

/**
 * Where letting go would pull what stands below into the reader's view, it comes in small steps, which count as no shift,
 * and never while a pointer is down: no click misses.
 * @param {import('./widget.js').Widget} widget
 */
export function releaseHeight(widget) {
  const {node, held} = widget;
  if (!held) return;
  const still = matchMedia('(prefers-reduced-motion: reduce)').matches;
  let down = false;
  let height = parseFloat(held);
  /** @type {number | undefined} what the box has beside its content */
  let beyond;
  function free() {
    node.style.minHeight = '';
    widget.held = false;
  }
  function step() {
    const box = node.getBoundingClientRect();
    if (widget.closed || !widget.held) return;
    if (beyond === undefined) beyond = box.height - height;
    const last = /** @type {Element} */ (node.lastElementChild).getBoundingClientRect();
    const end = last.bottom + parseFloat(getComputedStyle(node).paddingBottom);
    const seen = Math.min(box.bottom, innerHeight) - 1;
    if (document.hidden || still || end >= seen || box.height - beyond > height + 1) return free();
    if (!down) {
      // What is held below the window's edge goes at once.
      height = Math.min(height - STEP, innerHeight - box.top - beyond);
      node.style.minHeight = height + 'px';
    }
    requestAnimationFrame(step);
  }
  const press = () => {
    down = true;
  };
  // A click follows the pointer's going up.
  const lift = () => {
    setTimeout(() => {
      down = false;
    }, 50);
  };
  widget.listen(window, 'pointerdown', press, true);
  widget.listen(window, 'pointerup', lift, true);
  widget.listen(window, 'pointercancel', lift, true);
  step();
}
