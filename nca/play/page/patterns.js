// Patterns: pasted, dropped as a file, and saved from the grid. The task reads and writes them.

import * as canvas from "./canvas.js";
import { act, emit, now, on, take } from "./wire.js";

const box = (id) => document.getElementById(id);
const MOST = 4000000; // letters
const FILES = /\.(rle|cells|lif|life|mcl|txt)$/i;

export const isPattern = (file) => FILES.test(file.name) || file.type.startsWith("text/");

// Lay a pattern with its middle on a cell: where the pointer is, or in the middle of what is seen.
export function lay(text, event = null) {
  if (!now.about?.patterns) return refuse("Nothing here takes patterns.", "the task has none");
  if (!text.trim()) return refuse("There is no pattern in that.", "it is empty");
  if (text.length > MOST) return refuse("This pattern is too large.", `${text.length} letters, of at most ${MOST}`);
  act({ kind: "pattern", text, point: canvas.here(event) });
}

function refuse(what, where) {
  emit("fault", { what, where, to_do: "" });
}

export async function open(file, event) {
  if (file.size > 4 * MOST) return refuse("This pattern is too large.", `${file.name}, ${file.size} bytes`);
  lay(await file.text(), event);
}

export function start() {
  box("pattern").onclick = () => take("pattern.rle");
  addEventListener("paste", (event) => {
    if (!now.head || document.body.classList.contains("choosing") || event.target.closest?.("input:not([type=range]), dialog[open]")) return;
    const text = event.clipboardData.getData("text/plain");
    if (!text) return;
    event.preventDefault();
    lay(text);
  });
  on("about", ({ patterns }) => {
    box("pattern").hidden = box("pasting").hidden = !patterns;
    box("file").accept = `.json,application/json${patterns ? ",.rle,.cells,.txt" : ""}`;
  });
}
