// Put the page together.

import * as canvas from "./canvas.js";
import * as controls from "./controls.js";
import * as gallery from "./gallery.js";
import * as keys from "./keys.js";
import * as patterns from "./patterns.js";
import * as time from "./timeline.js";
import * as tools from "./tools.js";
import { connect, emit, on, send } from "./wire.js";
import * as zoom from "./zoom.js";

const root = document.documentElement;
const said = document.getElementById("said");
const busy = document.getElementById("busy");
const dark = matchMedia("(prefers-color-scheme: dark)");
let timer = 0;

function theme(chosen) {
  root.dataset.theme = chosen ?? (dark.matches ? "dark" : "light");
  emit("theme");
}

function say(kind, words, details = "", seconds = 5) {
  said.className = kind;
  said.replaceChildren(words);
  if (details) {
    const small = document.createElement("small");
    small.textContent = details;
    said.append(small);
  }
  said.hidden = false;
  clearTimeout(timer);
  if (seconds) timer = setTimeout(() => { said.hidden = true; }, 1000 * seconds);
}

theme();
dark.addEventListener("change", () => theme());
document.getElementById("theme").onclick = () => theme(root.dataset.theme === "dark" ? "light" : "dark");

on("fault", ({ what, where, to_do: todo }) => say("fault", what, [where, todo].filter(Boolean).join(" \u2013 "), 9));
on("notice", ({ text }) => say("notice", text));
on("gone", () => { busy.hidden = true; });
on("gone", () => say("fault", "The automaton is gone.", "nca play has ended, or this page was cut off; trying again", 0));
on("busy", ({ job }) => {
  busy.hidden = !job;
  if (job) busy.firstChild.textContent = `Working${job.what && ` on the ${job.what}`}${job.total ? `: ${job.done} of ${job.total}` : ""} \u2026`;
});
document.getElementById("stop").onclick = () => send("stop");
on("open", () => { said.hidden = true; });

for (const part of [gallery, patterns, tools, canvas, zoom, controls, time, keys]) part.start();
connect();
