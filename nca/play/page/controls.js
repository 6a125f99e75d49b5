// The panel: what to see, what to turn, what is measured, where to begin, what to take away.

import { bands, spark, visible } from "./charts.js";
import * as patterns from "./patterns.js";
import { population } from "./population.js";
import { drop } from "./tools.js";
import { act, emit, now, on, send, take } from "./wire.js";

const box = (id) => document.getElementById(id);
const STARTS = { task: "the task's sample", noise: "chance", point: "one cell", empty: "nothing" };
const MOST = 400; // steps that small charts look back
let seen = new Map(); // branch name -> step -> { metrics, votes }

function look() {
  const view = now.about.views.find(({ name }) => name === box("view").value);
  send("look", {
    look: {
      view: view.name,
      level: box("level").value,
      channel: Number(box("channel").value) || 0,
      slice: Number(box("slice").value) || 0,
      threshold: Number(box("threshold").value),
      colours: box("colours").value,
      dark: document.documentElement.dataset.theme === "dark",
    },
  });
  asks();
}

function asks() {
  const view = now.about.views.find(({ name }) => name === box("view").value);
  for (const row of document.querySelectorAll("[data-asks]")) {
    const what = row.dataset.asks;
    row.hidden = what === "slice" ? now.about.size.length < 3 : !view.asks.includes(what);
  }
  const level = now.about.levels.find(({ name }) => name === box("level").value);
  box("channel").max = level.channels - 1;
  box("threshold-now").value = Number(box("threshold").value).toFixed(2);
}

export function cycle(id, by = 1) {
  const select = box(id);
  select.selectedIndex = (select.selectedIndex + by + select.length) % select.length;
  look();
}

export function channel(by) {
  box("channel").value = Math.max(0, Math.min(Number(box("channel").max), Number(box("channel").value) + by));
  look();
}

function control(name, given) {
  const row = document.createElement("label");
  row.className = "control";
  row.dataset.control = name;
  const head = document.createElement("span");
  const words = document.createElement("span");
  words.textContent = given.words;
  const output = document.createElement("output");
  head.append(words, output);
  let input;
  if (given.choices.length) {
    input = document.createElement("select");
    const choices = given.choices.includes(given.value) ? given.choices : [given.value, ...given.choices];
    input.append(...choices.map((choice) => new Option(choice)));
    input.onchange = () => act({ kind: "turn", knob: name, value: input.value });
  } else {
    input = document.createElement("input");
    Object.assign(input, { type: "range", min: given.low, max: given.high, step: (given.high - given.low) / 200 });
    input.oninput = () => act({ kind: "turn", knob: name, value: Number(input.value) });
    row.ondblclick = () => act({ kind: "turn", knob: name, value: given.value });
    row.title = `double click: back to ${short(given.value)}`;
  }
  input.setAttribute("aria-label", given.words);
  row.append(head, input);
  return row;
}

function short(value) {
  if (typeof value !== "number") return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(0) : String(Number(value.toPrecision(3)));
}

function turned(knobs) {
  for (const row of box("controls").children) {
    const given = now.about.knobs[row.dataset.control];
    const value = knobs[row.dataset.control] ?? given.value;
    const input = row.querySelector("input, select");
    if (document.activeElement !== input || input.type !== "range") input.value = value;
    row.classList.toggle("turned", row.dataset.control in knobs);
    row.querySelector("output").value = given.choices.length ? "" : short(value);
  }
}

function note(head) {
  for (const place of head.places) {
    const { name } = head.branches[place.branch];
    if (!seen.has(name)) seen.set(name, new Map());
    seen.get(name).set(head.step, place);
  }
  const here = head.places[0];
  const branch = head.branches[here.branch];
  const rows = [...seen.get(branch.name)].filter(([step]) => step <= branch.length && step > head.step - MOST);
  return rows.sort(([a], [b]) => a - b);
}

function metrics(head, rows) {
  const [here, other] = head.places;
  const names = Object.keys(here.metrics);
  const list = box("metrics");
  if ([...list.children].map((row) => row.dataset.name).join() !== names.join()) {
    list.replaceChildren(...names.map((name) => {
      const row = document.createElement("div");
      row.className = "metric";
      row.dataset.name = name;
      row.innerHTML = "<span></span><canvas aria-hidden='true'></canvas><b></b>";
      row.firstChild.textContent = name;
      return row;
    }));
  }
  for (const row of list.children) {
    const { name } = row.dataset;
    const beside = other && name in other.metrics ? ` | ${short(other.metrics[name])}` : "";
    row.lastChild.textContent = short(here.metrics[name]) + beside;
    row.classList.toggle("two", beside !== "");
    const points = rows.filter(([, given]) => name in given.metrics).map(([step, given]) => [step, given.metrics[name]]);
    spark(row.children[1], points, head.step);
  }
  box("metrics-box").hidden = names.length === 0;
}

function votes(head, rows) {
  const { votes: classes } = head.places[0];
  box("votes-box").hidden = box("verdict").hidden = classes.length === 0;
  if (!classes.length) return;
  const colours = classes.map(({ colour }) => visible(colour));
  const list = box("votes");
  if (list.children.length !== classes.length) {
    list.replaceChildren(...classes.map((vote) => {
      const row = document.createElement("li");
      row.innerHTML = "<i></i><span class='name'></span><span class='track'><span class='fill'></span></span><span class='share'></span>";
      row.querySelector(".name").textContent = vote.name;
      row.querySelector(".fill").style.display = "block";
      return row;
    }));
  }
  const most = Math.max(...classes.map(({ share }) => share));
  classes.forEach((vote, number) => {
    const row = list.children[number];
    row.classList.toggle("first", vote.share === most && most > 0);
    row.firstChild.style.background = row.querySelector(".fill").style.background = colours[number];
    row.querySelector(".fill").style.width = `${100 * vote.share}%`;
    row.querySelector(".share").textContent = `${(100 * vote.share).toFixed(0)} %`;
  });
  const shares = rows.map(([step, place]) => [step, place.votes.map(({ share }) => share)]);
  bands(box("votes-time"), shares, colours, head.step);
  verdict(classes, colours, most);
}

// What the cells say, beside the picture.
function verdict(classes, colours, most) {
  const first = classes.findIndex(({ share }) => share === most);
  const [swatch, words] = box("verdict").children;
  swatch.style.background = most > 0 ? colours[first] : "transparent";
  words.textContent = most > 0 ? `${(100 * most).toFixed(0)} % of the cells say ${classes[first].name}` : "Nothing is drawn";
}

function training(run) {
  box("run-box").hidden = !run;
  if (!run || !run.iterations.length) return;
  spark(box("run-curve"), run.iterations.map((at, place) => [at, Math.log10(Math.max(run.losses[place], 1e-12))]));
  box("run-words").textContent = `iteration ${run.iterations.at(-1)}, loss ${short(run.losses.at(-1))} (logarithmic)`;
}

function fill(id, options, chosen) {
  box(id).replaceChildren(...options.map(([value, words]) => new Option(words, value)));
  if (chosen !== undefined) box(id).value = chosen;
}

function build(about) {
  box("name").textContent = about.name;
  document.title = `${about.name} \u2013 nca play`;
  const made = about.trained ? `iteration ${about.iteration.toLocaleString("en-GB")}` : about.weights ? "first weights, untrained" : "without weights";
  box("what").textContent = `${about.size.join(" \u00d7 ")} cells, ${about.levels.length} level${about.levels.length > 1 ? "s" : ""}, ${made}, ${about.device}`;
  seen = new Map();
  if (box("view").length) return look(); // the same, with new weights
  fill("view", about.views.map(({ name, words }) => [name, words]), "picture");
  fill("colours", [["", "as they are"], ...about.colours.map((name) => [name, name])]);
  fill("level", about.levels.map(({ name }) => [name, name]), about.levels.at(-1).name);
  fill("start", about.starts.map((name) => [name, STARTS[name]]));
  fill("role", about.roles.map((name) => [name, name]));
  box("role-row").hidden = about.roles.length === 0;
  box("picture").hidden = about.roles.length === 0;
  box("sample-row").hidden = !about.starts.includes("task");
  if (about.size.length === 3) box("slice").max = about.size[0] - 1;
  if (about.size.length === 3) box("slice").value = Math.floor(about.size[0] / 2);
  box("controls").replaceChildren(...Object.entries(about.knobs).map(([name, each]) => control(name, each)));
  look();
}

export async function load(file) {
  send("load", { history: await file.text() });
}

function begin() {
  send("reset", {
    random_seed: Number(box("seed").value) || 0,
    start: { kind: box("start").value, sample: Number(box("sample").value) || 0 },
  });
}

function listenToDrops() {
  const stop = (event) => event.preventDefault();
  addEventListener("dragover", (event) => {
    stop(event);
    document.body.classList.add("dropping");
  });
  addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  addEventListener("drop", (event) => {
    stop(event);
    document.body.classList.remove("dropping");
    const [file] = event.dataTransfer.files;
    const text = event.dataTransfer.getData("text/plain");
    if (file) give(file, event);
    else if (text) patterns.lay(text, event);
  });
}

function give(file, event = null) {
  const asHistory = file.name.endsWith(".json");
  const given = asHistory ? load(file) : patterns.isPattern(file) ? patterns.open(file, event) : drop(file);
  given.catch((fault) => emit("fault", { what: "This file cannot be used.", where: `${file.name}: ${fault.message}`, to_do: "give a picture, a pattern, or a history that was saved here" }));
}

export function film() {
  const { branches, places, step } = now.head;
  box("film-first").value = 0;
  box("film-last").value = Math.max(step, branches[places[0].branch].length);
  box("film-every").value = Math.max(1, Math.ceil(Number(box("film-last").value) / 120));
  box("film-box").showModal();
}

async function takeFilm() {
  emit("notice", { text: "Taking the film \u2026" });
  const { view, level, channel: number, slice, threshold, colours } = now.head.look;
  const wish = { first: box("film-first").value, last: box("film-last").value, every: box("film-every").value, rate: box("film-rate").value };
  const taken = await take(box("film-kind").value, { ...wish, view, level, channel: number, slice, threshold, colours });
  if (taken) emit("notice", { text: [`Taken: ${taken.name}`, taken.notice].filter(Boolean).join("; ") });
}

export function start() {
  for (const id of ["view", "level", "channel", "colours", "slice", "threshold"]) box(id).oninput = look;
  box("begin").onclick = begin;
  box("picture").onclick = () => box("image").click();
  box("image").onchange = () => box("image").files[0] && give(box("image").files[0]);
  box("save").onclick = () => take("history.json");
  box("open").onclick = () => box("file").click();
  box("file").onchange = () => box("file").files[0] && give(box("file").files[0]);
  box("film").onclick = film;
  box("film-box").addEventListener("close", () => box("film-box").returnValue === "yes" && takeFilm());
  listenToDrops();
  on("about", build);
  on("about", ({ pause, inputs, input_change: change }) => {
    box("anew").hidden = !inputs || change !== "begin anew";
    box("pause").hidden = !pause;
    if (pause) box("pause").textContent = `${pause.why} It pauses at step ${pause.measured}.`;
  });
  on("frame", (head) => {
    const rows = note(head);
    turned(head.places[0].knobs);
    metrics(head, rows);
    votes(head, rows);
    population(head, rows);
    training(head.run);
    const branch = head.branches[head.places[0].branch];
    if (document.activeElement !== box("seed")) box("seed").value = branch.random_seed;
    if (document.activeElement !== box("sample")) box("sample").value = branch.start.sample;
    const begun = `${branch.name} ${branch.start.kind}`;
    if (box("start").dataset.begun !== begun) box("start").value = now.about.starts.includes(branch.start.kind) ? branch.start.kind : now.about.starts[0];
    box("start").dataset.begun = begun;
  });
  on("theme", () => {
    if (!now.head) return;
    emit("frame", now.head); // charts take their colours anew
    look(); // and so do cells of few states
  });
}
