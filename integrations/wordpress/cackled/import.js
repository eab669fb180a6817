/* Brings comments over, a step after the other. */
(() => {
  const button = document.getElementById('cackled-import');
  const status = document.getElementById('cackled-import-status');
  if (!button || !status) return;
  button.addEventListener('click', async event => {
    event.preventDefault();
    button.disabled = true;
    let after = 0;
    try {
      for (;;) {
        const body = new URLSearchParams({
          action: 'cackled_import',
          _ajax_nonce: button.dataset.nonce,
          after: String(after),
        });
        const answer = await (await fetch(window.ajaxurl, {method: 'POST', body, credentials: 'same-origin'})).json();
        if (!answer.success) throw new Error(answer.data || 'The server did not take it.');
        if (answer.data.done) break;
        after = answer.data.after;
        status.textContent = `… ${after}`;
      }
      status.textContent = '✓';
    } catch (error) {
      status.textContent = String(error.message || error);
    }
    button.disabled = false;
  });
})();
