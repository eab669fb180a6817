/* The host's look: background, accent; and whether ours has to be light or dark. Reads, and sets custom properties only. */

/** @typedef {number[]} Rgb */

/**
 * Any CSS colour as sRGB of 0 to 255 and alpha. What isn't rgb() (oklch, lab, color(display-p3 ..)) the browser itself
 * converts, by mixing it with itself: unlike a canvas, that works where visitors forbid pages to read pixels.
 * @param {string} color
 * @param {Element} root
 * @returns {{rgb: Rgb, alpha: number}}
 */
function channels(color, root) {
  let scale = 1;
  if (!/^rgb/.test(color)) {
    const probe = document.createElement('i');
    probe.style.color = 'color-mix(in srgb, ' + color + ', ' + color + ')';
    root.append(probe);
    color = getComputedStyle(probe).color;
    probe.remove();
    if (/^color/.test(color)) scale = 255;
  }
  const n = (color.match(/-?[\d.]+(?:e[-+]?\d+)?|none/g) || []).map(v => +v || 0);
  return {
    rgb: n.slice(0, 3).map(v => Math.round(Math.max(0, Math.min(255, v * scale)))),
    alpha: n.length > 3 ? n[3] : 1,
  };
}

/** @param {Rgb} rgb */
function luminance(rgb) {
  const l = rgb.map(v => ((v /= 255) <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4)));
  return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2];
}

/**
 * @param {Rgb} one
 * @param {Rgb} other
 */
function contrast(one, other) {
  const a = luminance(one) + 0.05;
  const b = luminance(other) + 0.05;
  return a > b ? a / b : b / a;
}

/**
 * @param {Element} root
 * @returns {Rgb | null}
 */
function background(root) {
  for (let node = root; node; node = node.parentElement || /** @type {any} */ (node.getRootNode()).host) {
    const color = channels(getComputedStyle(node).backgroundColor, root);
    if (color.alpha > 0.5) return color.rgb;
  }
  return null;
}

/**
 * Whether the page that an element stands in is dark.
 * @param {Element} root
 */
export function isDark(root) {
  const paper = background(root);
  // No colour up to the root: light text means a dark page.
  return paper ? luminance(paper) < 0.2 : luminance(channels(getComputedStyle(root).color, root).rgb) > 0.4;
}

/**
 * The style of an element that stands there for a moment.
 * @template T
 * @param {HTMLElement} root
 * @param {HTMLElement} probe
 * @param {(style: CSSStyleDeclaration) => T} read
 * @returns {T}
 */
function probed(root, probe, read) {
  root.append(probe);
  const found = read(getComputedStyle(probe));
  probe.remove();
  return found;
}

/**
 * @param {HTMLElement} root
 * @param {string} wanted light, dark, or else as the page is
 */
function apply(root, wanted) {
  const list = root.classList;
  list.remove('mc-dark', 'mc-light', 'mc-forced', 'mc-sheet');
  let paper = background(root);
  const text = channels(getComputedStyle(root).color, root);
  let dark;
  if (wanted === 'dark' || wanted === 'light') {
    dark = wanted === 'dark';
    // Asked for what the page isn't: then on a sheet of its own.
    if (!paper || luminance(paper) < 0.2 !== dark) {
      paper = dark ? [27, 28, 31] : [255, 255, 255];
      list.add('mc-forced', 'mc-sheet');
    }
  } else {
    // No colour up to the root (a picture, or the canvas itself): light text means a dark page.
    if (!paper) paper = luminance(text.rgb) > 0.4 ? [22, 22, 24] : [255, 255, 255];
    dark = luminance(paper) < 0.2;
  }
  list.add(dark ? 'mc-dark' : 'mc-light');
  root.style.setProperty('--mc-ink', getComputedStyle(root).color);
  root.style.setProperty('--mc-paper', 'rgb(' + paper + ')');
  // Whether the page dresses every [role=button], ours among them.
  const button = document.createElement('span');
  button.setAttribute('role', 'button');
  list.toggle(
    'mc-strict',
    probed(
      root,
      button,
      style =>
        style.paddingTop !== '0px' ||
        style.borderTopWidth !== '0px' ||
        channels(style.backgroundColor, root).alpha > 0 ||
        style.display !== 'inline',
    ),
  );
  // The site's link colour is its accent, if it is one and can be read.
  const link = document.createElement('a');
  link.href = '#';
  const accent = probed(root, link, style => channels(style.color, root)).rgb;
  root.style.removeProperty('--mc-host');
  if (
    '' + accent !== '0,0,238' &&
    '' + accent !== '158,158,255' &&
    contrast(accent, paper) >= 4.5 &&
    Math.max(...accent) - Math.min(...accent) > 40
  ) {
    root.style.setProperty('--mc-host', 'rgb(' + accent + ')');
    root.style.setProperty('--mc-on-host', luminance(accent) > 0.35 ? '#111' : '#fff');
  }
}

/**
 * @param {HTMLElement} root
 * @param {string} wanted
 * @returns {() => void} ends the watching
 */
export function watchTheme(root, wanted) {
  const scheme = matchMedia('(prefers-color-scheme: dark)');
  /** @type {number | undefined} */
  let timer;
  function later() {
    apply(root, wanted);
    clearTimeout(timer);
    timer = setTimeout(() => apply(root, wanted), 450);
  }
  apply(root, wanted);
  const observer = new MutationObserver(later);
  [document.documentElement, document.body].forEach(node => {
    observer.observe(node, {
      attributes: true,
      attributeFilter: ['class', 'style', 'data-theme', 'data-color-scheme', 'data-bs-theme'],
    });
  });
  if (scheme.addEventListener) scheme.addEventListener('change', later);
  return () => {
    observer.disconnect();
    clearTimeout(timer);
    if (scheme.removeEventListener) scheme.removeEventListener('change', later);
  };
}
