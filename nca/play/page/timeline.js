// Time: play and pause, speed, going back, and the branches that were made.

import { colour, pen } from "./charts.js";
import { now, on, send } from "./wire.js";

const box = (id) => document.getElementById(id);
const SPEEDS = [0.5, 1, 2, 4, 7, 10, 15, 30, 60, 120, 250, 500, null];
const LANE = 9;
const EDGE = 8; // half the thumb of a slider
let held = false;

export function toggle() {
  send("play", { on: !now.head.playing });
}

export function faster(by) {
  box("speed").value = Number(box("speed").value) + by;
  speed();
}

function speed() {
  send("speed", { value: SPEEDS[Number(box("speed").value)] });
  label();
}

function label() {
  const value = SPEEDS[Number(box("speed").value)];
  box("speed-now").value = value === null ? "fastest" : `${value}/s`;
}

export function newSeed() {
  send("reset", { random_seed: "new" });
}

function here() {
  return now.head.branches[now.head.places[0].branch];
}

export function toEnd() {
  send("go", { step: here().length });
}

export function renameBranch() {
  box("branch-name").value = here().name;
  box("name-box").returnValue = "";
  box("name-box").showModal();
}

function update(head) {
  const branch = here();
  box("step").textContent = head.step.toLocaleString("en-GB");
  box("rate").textContent = head.playing ? head.rate.toFixed(head.rate < 10 ? 1 : 0) : "0";
  const symbol = head.playing ? "#i-pause" : "#i-play";
  const use = box("play").querySelector("use");
  if (use.getAttribute("href") !== symbol) use.setAttribute("href", symbol);
  const word = head.playing ? "Pause" : "Play";
  box("play").setAttribute("aria-label", word);
  if (box("play").lastChild.textContent !== word) box("play").lastChild.textContent = word;
  const place = SPEEDS.indexOf(head.speed);
  if (place >= 0 && document.activeElement !== box("speed")) box("speed").value = place;
  label();
  box("scrub").max = longest(head);
  if (!held) box("scrub").value = head.step;
  names("branch", head.branches.map((each, number) => [number, each.name]), head.places[0].branch);
  const others = head.branches.map((each, number) => [number, each.name]).filter(([number]) => number !== head.places[0].branch);
  names("beside", [["", "nothing"], ...others], head.places[1]?.branch ?? "");
  box("beside").disabled = head.branches.length < 2;
  box("remove").disabled = head.branches.length < 2 || head.branches.some((each) => each.parent === head.places[0].branch);
  lanes(head, branch);
}

function longest(head) {
  return Math.max(1, ...head.branches.map((each) => each.length));
}

function names(id, options, chosen) {
  const select = box(id);
  const key = JSON.stringify(options);
  if (select.dataset.key !== key) {
    select.replaceChildren(...options.map(([value, words]) => new Option(words, value)));
    select.dataset.key = key;
  }
  if (document.activeElement !== select || select.value !== String(chosen)) select.value = String(chosen);
}

// One lane for each branch, joined to the one that it left; ticks where something was done.
function lanes(head, branch) {
  const canvas = box("lanes");
  const height = Math.min(head.branches.length, 7) * LANE + 6;
  if (canvas.style.height !== `${height}px`) canvas.style.height = `${height}px`;
  const { context, wide, high } = pen(canvas);
  const most = longest(head);
  const x = (step) => EDGE + ((wide - 2 * EDGE) * step) / most;
  const first = Math.max(0, head.branches.length - 7);
  const y = (number) => (number - first + 0.5) * LANE + 3;
  head.branches.forEach((each, number) => {
    if (number < first) return;
    const shown = head.places.findIndex((place) => place.branch === number);
    const stroke = colour(shown === 0 ? "--accent" : shown > 0 ? "--ink" : "--quiet");
    context.strokeStyle = stroke;
    context.fillStyle = stroke;
    context.globalAlpha = shown < 0 ? 0.5 : 1;
    context.lineWidth = shown === 0 ? 3 : 2;
    context.beginPath();
    if (each.parent !== null) {
      context.moveTo(x(each.fork), y(Math.max(each.parent, first)));
      context.lineTo(x(each.fork), y(number));
    } else context.moveTo(x(0), y(number));
    context.lineTo(Math.max(x(each.length), x(each.fork) + 2), y(number));
    context.stroke();
    for (const mark of each.marks) context.fillRect(x(mark) - 1, y(number) - 4, 2, 8);
  });
  context.globalAlpha = 1;
  context.fillStyle = colour("--ink");
  context.fillRect(x(head.step) - 0.5, 0, 1, high);
}

function point(event) {
  const canvas = box("lanes");
  const { left, top, width } = canvas.getBoundingClientRect();
  const share = (event.clientX - left - EDGE) / (width - 2 * EDGE);
  const step = Math.round(Math.min(Math.max(share, 0), 1) * longest(now.head));
  const first = Math.max(0, now.head.branches.length - 7);
  const lane = Math.floor((event.clientY - top - 3) / LANE) + first;
  return { step, lane: Math.min(Math.max(lane, 0), now.head.branches.length - 1) };
}

export function start() {
  box("play").onclick = toggle;
  box("forth").onclick = () => send("step", { count: 1 });
  box("back").onclick = () => send("step", { count: -1 });
  box("reset").onclick = () => send("reset");
  box("dice").onclick = newSeed;
  box("speed").oninput = speed;
  box("scrub").oninput = () => {
    held = true;
    if (now.head.playing) send("play", { on: false });
    send("go", { step: Number(box("scrub").value) });
  };
  box("scrub").onchange = () => { held = false; };
  box("branch").onchange = () => send("show", { branch: Number(box("branch").value) });
  box("beside").onchange = () => send("compare", { branch: box("beside").value === "" ? null : Number(box("beside").value) });
  box("fork").onclick = () => send("branch");
  box("rename").onclick = renameBranch;
  box("remove").onclick = () => send("remove", { branch: now.head.places[0].branch });
  box("name-box").addEventListener("close", () => {
    if (box("name-box").returnValue === "yes" && box("branch-name").value.trim()) {
      send("rename", { branch: now.head.places[0].branch, name: box("branch-name").value });
    }
  });
  box("lanes").addEventListener("pointerdown", (event) => {
    const { step, lane } = point(event);
    box("lanes").setPointerCapture(event.pointerId);
    if (lane !== now.head.places[0].branch) send("show", { branch: lane });
    send("go", { step });
  });
  box("lanes").addEventListener("pointermove", (event) => {
    if (event.buttons) send("go", { step: point(event).step });
  });
  on("frame", update);
  label();
}
