// The title of the page, with the number of what waits before it.
let plain = '';
let waiting = 0;

const show = () => {
  if (plain) document.title = waiting ? `(${waiting > 99 ? '99+' : waiting}) ${plain}` : plain;
};

/** @param {string} name of the page that is shown */
export function title(name) {
  plain = `${name} · cackled`;
  show();
}

/** @param {number} many */
export function countInTitle(many) {
  waiting = many;
  show();
}
