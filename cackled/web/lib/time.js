/* Times as people say them, kept current: one timer a widget. */
// @ts-nocheck
import {el} from './dom.js';

var STEPS = [
  [60, 'second', 1],
  [3600, 'minute', 60],
  [86400, 'hour', 3600],
  [604800, 'day', 86400],
  [2629800, 'week', 604800],
];
var ahead = 0,
  told = false;
/* The server's time in milliseconds: visitors' clocks are wrong by minutes, some by days. */
export const serverNow = () => Date.now() + ahead;
/* Learn it from an answer. One that may come from a cache (not `sure`) can only say that it is later than we thought. */
export const learnClock = (answer, sure) => {
  var by = Date.parse(answer.headers.get('Date')) - Date.now();
  if (!(Math.abs(by) < 1e12)) return;
  ahead = told && !sure ? Math.max(ahead, by) : by;
  told = true;
};
export const makeTimes = t => {
  var relative = new Intl.RelativeTimeFormat(t.lang, {numeric: 'auto', style: 'short'});
  var day = new Intl.DateTimeFormat(t.lang, {day: 'numeric', month: 'short'});
  var year = new Intl.DateTimeFormat(t.lang, {day: 'numeric', month: 'short', year: 'numeric'});
  var full = new Intl.DateTimeFormat(t.lang, {dateStyle: 'full', timeStyle: 'short'});
  function say(date) {
    var age = (serverNow() - date) / 1000,
      i;
    if (age < 45) return t('now');
    for (i = 0; i < STEPS.length; i++) {
      if (age < STEPS[i][0] && i) return relative.format(-Math.max(1, Math.floor(age / STEPS[i][2])), STEPS[i][1]);
    }
    return (date.getFullYear() === new Date(serverNow()).getFullYear() ? day : year).format(date);
  }
  return {
    full: iso => full.format(new Date(iso)),
    node: iso => {
      var date = new Date(iso);
      return el('time.mc-t', {datetime: iso, title: full.format(date)}, say(date));
    },
    refresh: root => {
      root.querySelectorAll('time.mc-t').forEach(node => {
        var text = say(new Date(node.dateTime));
        if (node.textContent !== text) node.textContent = text;
      });
    },
  };
};
