/**
 * Copying: text to the clipboard, also on http addresses of a local network, where browsers offer
 * no `navigator.clipboard`.
 */

/**
 * Copy the text of an element; return whether it is in the clipboard. If not, the text is selected,
 * and the user copies it.
 *
 * @param {HTMLElement} element
 */
export async function copyText(element) {
  const text = element.textContent ?? "";
  if (await writeToClipboard(text)) return true;
  selectText(element);
  try {
    // The selection is copied; it stays, as the sign of what was copied.
    return document.execCommand("copy");
  } catch {
    return false;
  }
}

/** @param {string} text */
async function writeToClipboard(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // not a secure address, or the browser does not permit it
  }
}

/** @param {HTMLElement} element */
function selectText(element) {
  const selection = getSelection();
  const range = document.createRange();
  range.selectNodeContents(element);
  selection?.removeAllRanges();
  selection?.addRange(range);
}
