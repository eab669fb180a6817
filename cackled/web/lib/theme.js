/* The host's look: background, accent; and whether ours has to be light or dark. Reads, and sets custom properties only. */
// @ts-nocheck
/* Any CSS colour as sRGB of 0 to 255 and alpha. What isn't rgb() (oklch, lab, color(display-p3 ..)) the browser itself
   converts, by mixing it with itself: unlike a canvas, that works where visitors forbid pages to read pixels. */
function channels(color, root) {
  var probe,
    n,
    scale = 1;
  if (!/^rgb/.test(color)) {
    probe = document.createElement('i');
    probe.style.color = 'color-mix(in srgb, ' + color + ', ' + color + ')';
    root.append(probe);
    color = getComputedStyle(probe).color;
    probe.remove();
    if (/^color/.test(color)) scale = 255;
  }
  n = (color.match(/-?[\d.]+(?:e[-+]?\d+)?|none/g) || []).map(v => +v || 0);
  return {
    rgb: n.slice(0, 3).map(v => Math.round(Math.max(0, Math.min(255, v * scale)))),
    alpha: n.length > 3 ? n[3] : 1,
  };
}
function luminance(rgb) {
  var l = rgb.map(v => {
    v /= 255;
    return v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4);
  });
  return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2];
}
function contrast(a, b) {
  a = luminance(a) + 0.05;
  b = luminance(b) + 0.05;
  return a > b ? a / b : b / a;
}
function background(node) {
  for (var root = node, color; node; node = node.parentElement || node.getRootNode().host) {
    color = channels(getComputedStyle(node).backgroundColor, root);
    if (color.alpha > 0.5) return color.rgb;
  }
  return null;
}

/* -> a function that ends the watching. */
export const watchTheme = (root, wanted) => {
  var scheme = matchMedia('(prefers-color-scheme: dark)'),
    observer,
    timer;
  function apply() {
    var paper, text, dark, probe, style, accent;
    root.classList.remove('mc-dark', 'mc-light', 'mc-forced', 'mc-sheet');
    paper = background(root);
    text = channels(getComputedStyle(root).color, root);
    if (wanted === 'dark' || wanted === 'light') {
      dark = wanted === 'dark';
      root.classList.add(dark ? 'mc-dark' : 'mc-light');
      // Asked for what the page isn't: then on a sheet of its own.
      if (!paper || luminance(paper) < 0.2 !== dark) {
        paper = dark ? [27, 28, 31] : [255, 255, 255];
        root.classList.add('mc-forced', 'mc-sheet');
      }
    } else {
      // No colour up to the root (a picture, or the canvas itself): light text means a dark page.
      if (!paper) paper = luminance(text.rgb) > 0.4 ? [22, 22, 24] : [255, 255, 255];
      dark = luminance(paper) < 0.2;
      root.classList.add(dark ? 'mc-dark' : 'mc-light');
    }
    root.style.setProperty('--mc-ink', getComputedStyle(root).color);
    root.style.setProperty('--mc-paper', 'rgb(' + paper + ')');
    // Whether the page dresses every [role=button], ours among them.
    probe = document.createElement('span');
    probe.setAttribute('role', 'button');
    root.append(probe);
    style = getComputedStyle(probe);
    root.classList.toggle(
      'mc-strict',
      style.paddingTop !== '0px' ||
        style.borderTopWidth !== '0px' ||
        channels(style.backgroundColor, root).alpha > 0 ||
        style.display !== 'inline',
    );
    probe.remove();
    // The site's link colour is its accent, if it is one and can be read.
    probe = document.createElement('a');
    probe.href = '#';
    root.append(probe);
    accent = channels(getComputedStyle(probe).color, root);
    probe.remove();
    root.style.removeProperty('--mc-host');
    if (
      '' + accent.rgb !== '0,0,238' &&
      '' + accent.rgb !== '158,158,255' &&
      contrast(accent.rgb, paper) >= 4.5 &&
      Math.max.apply(null, accent.rgb) - Math.min.apply(null, accent.rgb) > 40
    ) {
      root.style.setProperty('--mc-host', 'rgb(' + accent.rgb + ')');
      root.style.setProperty('--mc-on-host', luminance(accent.rgb) > 0.35 ? '#111' : '#fff');
    }
  }
  function later() {
    apply();
    clearTimeout(timer);
    timer = setTimeout(apply, 450);
  }
  apply();
  observer = new MutationObserver(later);
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
};
