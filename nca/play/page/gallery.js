// The gallery: all that is installed, to search and to choose from; a choice is loaded by the server.

import { emit, now, on, send, token } from "./wire.js";

const box = (id) => document.getElementById(id);
const HASH = "#gallery";
const LONGEST = 300; // letters of what is written
let groups = []; // as the server lists them
let chosen = null; // how often had been chosen when this page was built
let drawing = null; // stops the pictures that are being fetched
let moving = false; // whether time passed when the gallery was opened
const waiting = new Set(); // cards whose pictures are wanted
const seen = new IntersectionObserver((all) => {
  for (const each of all) if (each.isIntersecting) waiting.add(each.target);
  draw();
});

export const open = () => document.body.classList.contains("choosing");

export function show() {
  if (!now.about?.gallery) return;
  if (location.hash !== HASH) location.hash = HASH; // the browser's way back leads out of it
  else enter();
}

function enter() {
  if (open()) return;
  moving = Boolean(now.head?.playing);
  if (moving) send("play", { on: false });
  send("gallery");
}

function leave() {
  if (!open() || !now.about) return;
  document.body.classList.remove("choosing");
  stop();
  if (moving) send("play", { on: true });
}

function close() {
  if (now.about) history.back();
}

function card(group, entry) {
  const made = document.createElement("button");
  made.className = "card";
  made.disabled = entry.fault !== "";
  const picture = document.createElement("img");
  picture.alt = "";
  picture.hidden = true;
  const [name, line] = [document.createElement("b"), document.createElement("span")];
  name.append(...entry.name.split(/(?<=_)/).flatMap((part) => [part, document.createElement("wbr")]));
  line.textContent = entry.fault ? `Cannot be played: ${entry.fault}` : entry.line;
  made.append(picture, name, line);
  if (entry.plugins.length) {
    const executes = document.createElement("small");
    executes.textContent = `Executes ${entry.plugins.join(", ")}`;
    made.append(executes);
  }
  made.dataset.name = entry.name;
  made.dataset.words = `${entry.name} ${entry.line}`.toLowerCase();
  made.onclick = () => choose(group, entry);
  if (entry.pictured && !entry.fault) {
    made.wanted = { group, name: entry.name };
    seen.observe(made);
  }
  return made;
}

function choose(group, entry) {
  stop();
  emit("notice", { text: `Loading ${entry.name} …` });
  send("choose", { group, name: entry.name });
}

function list(message) {
  const kept = JSON.stringify(message.groups);
  document.body.classList.add("choosing");
  box("leave-gallery").hidden = message.idle;
  if (kept !== JSON.stringify(groups)) {
    groups = message.groups;
    box("groups").replaceChildren(...groups.map((group) => {
      const made = document.createElement("section");
      const [head, cards] = [document.createElement("h2"), document.createElement("div")];
      head.textContent = group.words;
      cards.className = "cards";
      cards.append(...group.entries.map((entry) => card(group.name, entry)));
      made.append(head, cards);
      return made;
    }));
  }
  search();
  box("search").focus();
}

function search() {
  const words = box("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  let count = 0;
  for (const made of document.querySelectorAll(".card")) {
    made.hidden = !words.every((word) => made.dataset.words.includes(word));
    count += !made.hidden;
  }
  for (const section of box("groups").children) section.hidden = !section.querySelector(".card:not([hidden])");
  box("none").hidden = count > 0;
  draw();
}

// One picture after the other, and none while something is loaded: they share one worker. One
// that was stopped, as all are when the server ends, is the last: the next look at cards asks again.
async function draw() {
  if (drawing || !open()) return;
  drawing = new AbortController();
  const { signal } = drawing;
  const wanted = () => [...waiting].find((made) => !made.hidden);
  for (let made = wanted(); made; made = wanted()) {
    try {
      const answer = await fetch(`picture?${new URLSearchParams({ token, ...made.wanted })}`, { signal });
      if (answer.status === 503) break;
      if (answer.ok) {
        made.firstChild.src = URL.createObjectURL(await answer.blob());
        made.firstChild.hidden = false;
      }
    } catch {
      if (signal.aborted) return;
    }
    waiting.delete(made);
    seen.unobserve(made);
  }
  if (!signal.aborted) drawing = null;
}

function stop() {
  drawing?.abort();
  drawing = null;
}

// Arrows lead from card to card as they lie on the screen, Enter in the search chooses the first.
function pressed(event) {
  if (!open()) return;
  const cards = [...document.querySelectorAll(".card:not([hidden]):not(:disabled)")];
  const at = cards.indexOf(document.activeElement);
  if (event.key === "Escape" && !box("leave-gallery").hidden) close();
  else if (event.key === "Enter" && event.target === box("search") && box("search").value.trim()) take(cards);
  else if (event.key === "/" && event.target !== box("search")) box("search").focus();
  else if (event.key.startsWith("Arrow") && (at >= 0 || event.key === "ArrowDown")) next(cards, at, event.key)?.focus();
  else return;
  event.preventDefault();
}

// The nearest card; or what is written, such as B36/S23, which only the server can read.
function take(cards) {
  const text = box("search").value.trim();
  const words = text.toLowerCase();
  const by = (fits) => cards.find((each) => fits(each.dataset.name.toLowerCase()));
  const named = by((name) => name === words) ?? by((name) => name.startsWith(words));
  const written = !cards.length || /\d/.test(words); // all rules have digits, but those with names
  if (named || !written) (named ?? cards[0]).click();
  else if (text.length <= LONGEST) choose("written", { name: text });
}

function next(cards, at, key) {
  if (at < 0) return cards[0];
  if (key === "ArrowLeft" || key === "ArrowRight") return cards[at + (key === "ArrowRight" ? 1 : -1)];
  const down = key === "ArrowDown" ? 1 : -1;
  const here = cards[at].getBoundingClientRect();
  const rows = cards.map((each) => [each, each.getBoundingClientRect()]).filter(([, place]) => down * (place.top - here.top) > 1);
  const far = ([, place]) => Math.abs(place.top - here.top) * 4 + Math.abs(place.left - here.left);
  return rows.length ? rows.reduce((best, each) => (far(each) < far(best) ? each : best))[0] : down < 0 ? box("search") : undefined;
}

export function start() {
  box("to-gallery").onclick = show;
  box("leave-gallery").onclick = close;
  box("search").oninput = search;
  addEventListener("keydown", pressed);
  addEventListener("hashchange", () => (location.hash === HASH ? enter() : leave()));
  on("gallery", list);
  on("fault", () => setTimeout(draw, 500));
  on("about", (about) => {
    box("to-gallery").hidden = !about.gallery;
    const another = chosen !== null && chosen !== about.chosen;
    chosen = about.chosen;
    if (another || (open() && location.hash === HASH)) {
      history.replaceState(null, "", location.pathname + location.search);
      if (another) return location.reload(); // all of the page is about one automaton
    } else if (location.hash === HASH) return enter();
    stop();
    document.body.classList.remove("choosing");
  });
}
