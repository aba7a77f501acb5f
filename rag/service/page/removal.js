// Removing a document: gone from every list at once, and from the library as soon as that can no longer be undone.

import * as api from "./api.js";
import { notify, report } from "./notice.js";
import { nameDocument } from "./passage.js";

const leaving = new Set();

/** Whether a document was removed, though the library may still have it. */
export const isLeaving = (docId) => leaving.has(docId);

/** Remove a document of a library; `show(isThere)` shows or hides it, `focus()` goes back to it after an undo. */
export function removeDocument(library, one, { show, focus }) {
  const bring = (isThere) => {
    if (isThere) leaving.delete(one.doc_id);
    else leaving.add(one.doc_id);
    show(isThere);
  };
  const undo = ["Undo", () => {
    bring(true);
    focus();
  }];
  notify(`Removed ${nameDocument(one)}.`, { action: undo, onExpire: () => removeNow(library, one.doc_id, bring) }).focus();
  bring(false);
}

async function removeNow(library, docId, bring) {
  try {
    await api.removeDocument(library, docId);
    leaving.delete(docId);
    document.dispatchEvent(new Event("concord:documents"));
  } catch (error) {
    bring(true);
    report(error);
  }
}
