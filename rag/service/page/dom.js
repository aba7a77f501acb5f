// Elements from a name, properties and children. Text is always text: nothing here parses markup.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** `h("button", {type: "button", onclick: f}, "Close")`; properties that start with `aria-` or `data-` are attributes. */
export function h(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-") || key === "role") element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

/** A dialog that closes by its button, by Escape and by a click beside it; focus goes back where it was. */
export function openDialog(dialog) {
  dialog.querySelector("[data-close]").onclick = () => dialog.close();
  dialog.onclick = (event) => {
    if (event.target === dialog) dialog.close();
  };
  dialog.showModal();
}
