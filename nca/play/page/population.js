// How many cells live, or are in each state, over time: a chart, and the legend of the states.

import { bands, colour } from "./charts.js";
import { now } from "./wire.js";

const box = (id) => document.getElementById(id);

// rows: [[step, place], ...] in order, as far as one looks back.
export function population(head, rows) {
  const { population: states } = head.places[0];
  box("population-box").hidden = states.length === 0;
  if (!states.length) return;
  const colours = states.map((state) => state.colour || colour("--accent"));
  const list = box("population");
  if (list.children.length !== states.length) {
    list.replaceChildren(...states.map(() => {
      const row = document.createElement("li");
      row.innerHTML = "<i></i><span class='name'></span><b></b><span class='share'></span>";
      return row;
    }));
  }
  states.forEach(({ name, count, share }, number) => {
    const [swatch, word, many, part] = list.children[number].children;
    swatch.style.background = colours[number];
    word.textContent = name;
    many.textContent = count.toLocaleString("en-GB");
    part.textContent = `${(100 * share).toFixed(share < 0.1 ? 2 : 1)} %`;
  });
  const same = rows.filter(([, place]) => place.population.length === states.length);
  const shares = same.map(([step, place]) => [step, place.population.map(({ share }) => share)]);
  const most = Math.max(1e-9, ...shares.map(([, each]) => each.reduce((sum, share) => sum + share, 0)));
  const scaled = shares.map(([step, each]) => [step, each.map((share) => (0.94 * share) / most)]);
  box("population-time").style.background = now.about.levels.find((level) => level.ground)?.ground ?? "";
  bands(box("population-time"), scaled, colours, head.step);
}
