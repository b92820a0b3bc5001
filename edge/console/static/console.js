// What the console does in the browser beside htmx: copying. Everything else works without it.
"use strict";

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  const text = "value" in source ? source.value : source.textContent;
  const before = button.firstChild.textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.firstChild.textContent = "Copied";
  } catch {
    if (source.select) source.select();
    else window.getSelection().selectAllChildren(source);
    button.firstChild.textContent = "Press Ctrl-C";
  }
  setTimeout(() => { button.firstChild.textContent = before; }, 2000);
});

// Pages that are not looked at ask for nothing.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden) event.preventDefault();
});

// What somebody has selected or scrolled to stays.
document.addEventListener("htmx:beforeSwap", (event) => {
  const selection = window.getSelection();
  if (!selection.isCollapsed && event.target.contains(selection.anchorNode)) {
    event.detail.shouldSwap = false;
  }
});
