// What a browser says of itself (User-Agent, RFC 9110, section 10.1.5), in words: browser and system.

/** The more special come first: they name the others too. @type {[string, RegExp][]} */
const BROWSERS = [
  ['Edge', /\bEdg(?:e|A|iOS)?\/(\d+)/],
  ['Opera', /\b(?:OPR|OPT)\/(\d+)/],
  ['Samsung Internet', /\bSamsungBrowser\/(\d+)/],
  ['Yandex', /\bYaBrowser\/(\d+)/],
  ['Firefox', /\b(?:Firefox|FxiOS)\/(\d+)/],
  ['Chrome', /\b(?:Chrome|Chromium|HeadlessChrome|CriOS)\/(\d+)/],
  ['Safari', /\bVersion\/(\d+)[\d.]*(?: Mobile\/\w+)? Safari\//],
];
/** @type {[string, RegExp][]} */
const SYSTEMS = [
  ['Android', /\bAndroid\b/],
  ['iPadOS', /\biPad\b/],
  ['iOS', /\biPhone\b|\biPod\b/],
  ['Windows', /\bWindows\b/],
  ['ChromeOS', /\bCrOS\b/],
  ['macOS', /\bMacintosh\b|\bMac OS X\b/],
  ['Linux', /\bLinux\b|\bX11\b/],
];

/**
 * @param {string} agent
 * @returns {{browser: string, system: string}} `''`: not known
 */
export function read(agent) {
  const found = BROWSERS.map(([name, form]) => ({name, hit: form.exec(agent)})).find(one => one.hit);
  return {
    browser: found ? `${found.name} ${found.hit?.[1]}` : '',
    system: SYSTEMS.find(([, form]) => form.test(agent))?.[0] || '',
  };
}
