/* The page of the server's own where somebody downloads or deletes what is theirs. */

/**
 * The window opens at once, or browsers would not let it; its address comes with the answer.
 * @param {{call: (method: string, path: string, options: any) => Promise<any>}} session
 * @param {(error: any) => void} trouble says what went wrong
 */
export function openData(session, trouble) {
  const page = open('about:blank');
  session.call('POST', '/me/data-link', {body: {}}).then(
    (/** @type {any} */ answer) => {
      if (page) {
        page.opener = null;
        page.location.href = answer.url;
      } else {
        location.href = answer.url;
      }
    },
    (/** @type {any} */ error) => {
      page?.close();
      trouble(error);
    },
  );
}
