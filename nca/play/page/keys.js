// Keys for everything, and the list of them.

import * as canvas from "./canvas.js";
import * as controls from "./controls.js";
import * as gallery from "./gallery.js";
import * as time from "./timeline.js";
import { keys as toolKeys, nextState, widen } from "./tools.js";
import { now, on, send, take } from "./wire.js";
import * as zoom from "./zoom.js";

const box = (id) => document.getElementById(id);

const KEYS = [
  { key: " ", shown: "space", words: "play or pause", run: time.toggle },
  { key: ".", words: "one step", run: () => send("step", { count: 1 }) },
  { key: ",", words: "one step back", run: () => send("step", { count: -1 }) },
  { key: "+", words: "faster", run: () => time.faster(1) },
  { key: "-", words: "slower", run: () => time.faster(-1) },
  { key: "Home", words: "to the beginning", run: () => send("go", { step: 0 }) },
  { key: "End", words: "to the end of the branch", run: time.toEnd },
  { key: "r", words: "reset", run: () => send("reset") },
  { key: "n", words: "new random seed", run: time.newSeed },
  { key: "b", words: "branch here", run: () => send("branch") },
  { key: "m", words: "name this branch", run: time.renameBranch },
  { key: "v", words: "next view", run: () => controls.cycle("view") },
  { key: "l", words: "next level", run: () => controls.cycle("level") },
  { key: "k", words: "next channel", run: () => controls.channel(1) },
  { key: "j", words: "channel before", run: () => controls.channel(-1) },
  { key: "[", words: "smaller brush", run: () => widen(-0.5) },
  { key: "]", words: "larger brush", run: () => widen(0.5) },
  { key: "q", words: "paint the next state", run: nextState },
  { key: "z", words: "nearer", run: () => canvas.nearer(1.5) },
  { key: "u", words: "farther", run: () => canvas.nearer(1 / 1.5) },
  { key: "0", words: "the whole grid", run: zoom.whole },
  { key: "w", words: "save the history", run: () => take("history.json") },
  { key: "f", words: "take a film", run: controls.film },
  { key: "g", words: "the gallery", run: gallery.show },
  { key: "t", words: "light or dark", run: () => box("theme").click() },
  { key: "?", words: "these keys", run: () => box("help").click() },
];

const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

function pressed(event) {
  const typing = event.target.closest("input:not([type=range]), select, dialog");
  if (!now.head || gallery.open() || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const onStage = document.activeElement === box("stage");
  if (onStage && event.key in ARROWS) {
    event.preventDefault();
    return canvas.moveCursor(...ARROWS[event.key]);
  }
  if (onStage && event.key === "Enter") return canvas.useCursor();
  if (event.key === " " && event.target.closest("button")) return; // the button's own key
  if (["Home", "End"].includes(event.key) && event.target.type === "range") return;
  const wanted = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const found = [...KEYS, ...toolKeys()].find(({ key }) => key === wanted || (key === "+" && wanted === "="));
  if (!found) return;
  event.preventDefault();
  found.run();
}

function list() {
  const rows = [...KEYS, ...toolKeys(), { key: "arrows, Enter", words: "on the grid: move a cursor, use the tool" }];
  box("key-list").replaceChildren(...rows.flatMap(({ key, shown, words }) => {
    const [term, said] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = shown ?? (key.length === 1 ? key.toUpperCase() : key);
    said.textContent = words.toLowerCase();
    return [term, said];
  }));
}

export function start() {
  addEventListener("keydown", pressed);
  // what a pointer has pressed gives the keys back: space shall play, not press it again
  addEventListener("click", (event) => event.detail && event.target.closest("button")?.blur());
  box("help").onclick = () => {
    list();
    box("keys").showModal();
    box("keys").scrollTop = 0; // the button that gets the focus is at the end
  };
  on("about", list);
}
