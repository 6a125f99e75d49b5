// What the brush does, and the actions that need no brush.

import { act, now, on } from "./wire.js";

const box = (id) => document.getElementById(id);

const TOOLS = {
  ink: { words: "Draw on the input", short: "Draw", key: "i", icon: "pencil", there: (about) => about.roles.includes("input") },
  rub: { words: "Rub out the input", short: "Rub out", key: "o", icon: "rub", there: (about) => about.roles.includes("input") },
  erase: { words: "Damage: empty the cells", short: "Damage", key: "e", icon: "cut", there: () => true },
  plant: { words: "Plant a seed", short: "Seed", key: "s", icon: "seed", there: () => true },
  paint: { words: "Paint a channel of a level", short: "Paint", key: "p", icon: "brush", there: () => true },
};

export const tool = {
  name: "erase",
  reach() {
    return tool.name === "plant" ? 0.5 : Number(box("radius").value);
  },
  event(points) {
    const radius = tool.reach();
    switch (tool.name) {
      case "ink": return { kind: "ink", value: 1, radius, points };
      case "rub": return { kind: "ink", value: 0, radius, points };
      case "plant": return { kind: "plant", points: points.slice(-1) };
      case "paint": {
        const channel = box("paint-channel").value;
        return {
          kind: "paint", level: box("paint-level").value, radius, points,
          channels: channel === "" ? [] : [Number(channel)],
          value: Number(box(box("paint-state").hidden ? "paint-value" : "paint-state").value) || 0,
        };
      }
      default: return { kind: "erase", radius, points };
    }
  },
};

const ACTIONS = [
  { id: "damage", words: "Random cut: damage somewhere", short: "Random cut", key: "d", icon: "spark", there: () => true, run: () => act({ kind: "damage" }) },
  { id: "exchange", words: "New input: another sample", short: "New input", key: "x", icon: "swap", there: (about) => about.inputs, run: exchange },
  { id: "blank", words: "Blank input", short: "Blank", key: "c", icon: "clear", there: (about) => about.roles.includes("input"), run: blank },
];

let sample = 0;

function exchange() {
  sample = (Math.max(sample, now.head.branches[now.head.places[0].branch].start.sample) + 1) % 1000;
  act({ kind: "exchange", sample });
}

function blank() {
  const canvas = document.createElement("canvas");
  [canvas.height, canvas.width] = now.about.canvas;
  canvas.getContext("2d").fillRect(0, 0, canvas.width, canvas.height);
  act({ kind: "drop", role: "input", png: canvas.toDataURL("image/png").split(",")[1] });
}

// A picture that was dropped or chosen: no larger than it can be used, then sent as a small PNG.
export async function drop(file) {
  const picture = await createImageBitmap(file);
  const [high, wide] = now.about.canvas;
  const scale = Math.min(1, high / picture.height, wide / picture.width);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  act({ kind: "drop", role: box("role").value, png: canvas.toDataURL("image/png").split(",")[1] });
}

export function choose(name) {
  if (!TOOLS[name]?.there(now.about)) return;
  tool.name = name;
  for (const button of box("tools").children) {
    const chosen = button.dataset.tool === name;
    button.setAttribute("aria-checked", chosen);
    button.tabIndex = chosen ? 0 : -1;
  }
  box("paint-box").hidden = name !== "paint";
}

export function keys() {
  return [
    ...Object.entries(TOOLS).filter(([, each]) => each.there(now.about)).map(([name, each]) => ({ key: each.key, words: each.words, run: () => choose(name) })),
    ...ACTIONS.filter((each) => each.there(now.about)).map(({ key, words, run }) => ({ key, words, run })),
  ];
}

function button({ icon, words, short, key }) {
  const made = document.createElement("button");
  made.className = "icon";
  made.title = `${words} (${key.toUpperCase()})`;
  made.setAttribute("aria-label", words);
  made.innerHTML = `<svg><use href="#i-${icon}"/></svg><span></span>`;
  made.lastChild.textContent = short;
  return made;
}

function build(about) {
  box("tools").replaceChildren(...Object.entries(TOOLS).filter(([, each]) => each.there(about)).map(([name, each]) => {
    const made = button(each);
    made.dataset.tool = name;
    made.setAttribute("role", "radio");
    made.onclick = () => choose(name);
    return made;
  }));
  box("actions").replaceChildren(...ACTIONS.filter((each) => each.there(about)).map((each) => {
    const made = button(each);
    made.id = each.id;
    made.onclick = each.run;
    return made;
  }));
  const levels = about.levels.map(({ name }) => new Option(name));
  box("paint-level").replaceChildren(...levels);
  box("paint-level").value = about.levels.at(-1).name;
  channels();
  const drawn = about.roles.includes("input");
  const least = Math.min(...about.size);
  const { states, unit } = about.levels.at(-1);
  const fine = states.length ? 0.5 : unit ? Math.max(1, Math.round(least / 24)) : 0;
  box("radius").value = fine && !drawn ? fine : drawn ? Math.max(0.5, (1.2 * about.size.at(-1)) / about.canvas.at(-1)) : Math.max(1, Math.round(least / 12));
  radius();
  choose(drawn ? "ink" : about.levels.at(-1).channels === 1 ? "paint" : "erase");
}

function channels() {
  const level = now.about.levels.find(({ name }) => name === box("paint-level").value);
  const each = Array.from({ length: Math.min(level.channels, 512) }, (_, number) => new Option(String(number), String(number)));
  box("paint-channel").replaceChildren(new Option("all", ""), ...each);
  box("paint-channel").closest(".row").hidden = level.channels === 1;
  values(level);
}

// What suits the cells: one of a few states, a share from 0 to 1, or any number.
function values({ states, unit }) {
  const [state, value] = [box("paint-state"), box("paint-value")];
  state.hidden = states.length === 0;
  value.hidden = !state.hidden;
  box("paint-words").textContent = state.hidden ? "value" : "state";
  const words = states.length === 2 && states[1] === "1" ? ["0, dead", "1, live"] : states;
  state.replaceChildren(...words.map((word, number) => new Option(word, number)));
  state.value = states.length > 1 ? "1" : "0";
  value.type = unit ? "range" : "number";
  Object.assign(value, unit ? { min: 0, max: 1, step: 0.05 } : { min: "", max: "", step: "any" });
  value.value = 1;
  shownValue();
}

function shownValue() {
  const { type, value, hidden } = box("paint-value");
  box("paint-now").value = type === "range" && !hidden ? Number(value).toFixed(2) : "";
}

// Paint the state after the one that is painted.
export function nextState() {
  const state = box("paint-state");
  if (state.hidden) return;
  choose("paint");
  state.selectedIndex = (state.selectedIndex + 1) % state.length;
}

function radius() {
  box("radius-now").value = box("radius").value;
}

export function widen(by) {
  box("radius").value = Number(box("radius").value) + by;
  radius();
}

export function start() {
  box("paint-level").onchange = channels;
  box("radius").oninput = radius;
  box("paint-value").oninput = shownValue;
  box("tools").addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...box("tools").children];
    const next = all[(all.indexOf(document.activeElement) + by + all.length) % all.length];
    choose(next.dataset.tool);
    next.focus();
  });
  let first = true;
  on("about", (about) => {
    if (first) build(about);
    first = false;
  });
}
