// The stage: panes of pixels, and the brush on them.

import { act, now, on } from "./wire.js";
import * as lattice from "./lattice.js";
import { tool } from "./tools.js";
import * as zoom from "./zoom.js";

const stage = document.getElementById("stage");
const ring = document.getElementById("ring");
const MINIMUM = 30; // milliseconds between two pieces of a stroke
const HOLD = 80; // as long a finger waits for a second one
const CAPTION = 26;
let figures = [];

export function draw(head) {
  const stacked = head.arrangement === "stack";
  stage.classList.toggle("stack", stacked);
  while (figures.length > head.panes.length) figures.pop().remove();
  while (figures.length < head.panes.length) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    figure.append(canvas, document.createElement("figcaption"));
    stage.append(figure);
    figures.push(figure);
  }
  head.panes.forEach((pane, number) => {
    const canvas = figures[number].firstChild;
    if (canvas.width !== pane.width * lattice.fine(pane) || canvas.height !== pane.height) {
      canvas.width = pane.width * lattice.fine(pane);
      canvas.height = pane.height;
    }
    put(canvas, pane);
    const two = head.places.length > 1;
    const branch = head.branches[head.places[pane.place].branch].name;
    const title = two ? `${branch}: ${pane.title}` : pane.title;
    if (figures[number].lastChild.textContent !== title) figures[number].lastChild.textContent = title;
    canvas.dataset.place = pane.place;
  });
  fit(head, stacked);
}

function put(canvas, pane) {
  if (canvas.width > pane.width) return putRows(canvas, pane);
  const context = canvas.getContext("2d");
  const image = context.createImageData(pane.width, pane.height);
  for (let from = 0, to = 0; from < pane.pixels.length; from += 3, to += 4) {
    image.data[to] = pane.pixels[from];
    image.data[to + 1] = pane.pixels[from + 1];
    image.data[to + 2] = pane.pixels[from + 2];
    image.data[to + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// The same with rows moved, two pixels across for each of the pane.
function putRows(canvas, { width, height, pixels }) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(2 * width, height);
  const data = new Uint32Array(image.data.buffer);
  for (let row = 0; row < height; row += 1) {
    const by = lattice.moved(row, { height }) % (2 * width);
    for (let column = 0, from = 3 * row * width; column < width; column += 1, from += 3) {
      const colour = 0xff000000 | (pixels[from + 2] << 16) | (pixels[from + 1] << 8) | pixels[from];
      for (const half of [0, 1]) data[2 * row * width + ((2 * column + half - by + 2 * width) % (2 * width))] = colour;
    }
  }
  context.putImageData(image, 0, 0);
}

// As large as the stage allows: try every number of columns.
function fit(head, stacked) {
  const style = getComputedStyle(stage);
  const wide = stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const high = stage.clientHeight - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
  const count = head.panes.length;
  const gap = parseFloat(style.columnGap) || 18;
  const { width } = head.panes[0];
  const flat = now.about.hexagonal ? lattice.FLAT : 1;
  const height = head.panes[0].height * flat;
  let best = 0;
  if (stacked) best = Math.min((wide * 0.46) / width, (high * 0.5) / height);
  else {
    for (let columns = 1; columns <= count; columns += 1) {
      const rows = Math.ceil(count / columns);
      const across = (wide - gap * (columns - 1)) / columns / width;
      const down = ((high - gap * (rows - 1)) / rows - CAPTION) / height;
      if (Math.min(across, down) <= best) continue;
      best = Math.min(across, down);
      stage.style.gridTemplateColumns = `repeat(${columns}, auto)`;
    }
  }
  const ratio = window.devicePixelRatio || 1;
  const whole = best * ratio >= 2 ? Math.floor(best * ratio) / ratio : best; // crisp cells
  figures.forEach((figure, number) => {
    const pane = head.panes[number];
    const scale = (whole * width) / pane.width;
    const canvas = figure.firstChild;
    canvas.style.width = `${pane.width * scale}px`;
    canvas.style.height = `${pane.height * scale * flat}px`;
    figure.style.transform = "";
    if (stacked) {
      const lift = (number - (count - 1) / 2) * Math.min(150, (high * 0.62) / count);
      figure.style.transform = `translateY(${-lift}px) rotateX(62deg) rotateZ(-34deg)`;
      figure.style.zIndex = number;
    }
  });
}

// Where a pointer is, in cells, in the order of the axes; null beside the grid.
function place(event, canvas) {
  const box = canvas.getBoundingClientRect();
  return cells([(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height]);
}

// The same for a point of the picture, in shares of the whole of it.
function cells([across, down]) {
  const size = now.about.size;
  if (size.length === 1) return [across * size[0]];
  const flat = lattice.cellAt([across, down], size.slice(-2));
  return size.length === 2 ? flat : [now.head.look.slice + 0.5, ...flat];
}

// Where something is to be laid: under the pointer, or else in the middle of what is seen.
export function here(event) {
  const { x, y } = event ? { x: event.clientX, y: event.clientY } : pointer;
  const canvas = document.elementFromPoint(x, y)?.closest("#stage:not(.stack) canvas");
  return canvas ? place({ clientX: x, clientY: y }, canvas) : cells(zoom.middle());
}

let pointer = { x: -1, y: -1 };
let stroke = null;

function begin(event) {
  const canvas = event.target.closest("canvas");
  if (!canvas || !now.head || event.button > 0) return;
  if (zoom.touch(event) > 1) return drop(); // two fingers do not paint
  if (stage.classList.contains("stack") || canvas.dataset.place !== "0") return;
  event.preventDefault();
  stage.focus({ preventScroll: true });
  canvas.setPointerCapture(event.pointerId);
  stroke = { canvas, points: [place(event, canvas)], sent: -Infinity, timer: 0 };
  if (event.pointerType === "touch") stroke.timer = setTimeout(flush, HOLD);
  else flush();
}

function go(event) {
  circle(event);
  if (zoom.pinch(event, figures[0]?.firstChild) || !stroke) return;
  const all = event.getCoalescedEvents?.() ?? [];
  for (const each of all.length ? all : [event]) stroke.points.push(place(each, stroke.canvas));
  const wait = MINIMUM - (performance.now() - stroke.sent);
  if (wait <= 0 && !stroke.timer) flush();
  else if (!stroke.timer) stroke.timer = setTimeout(flush, wait);
}

function end(event) {
  zoom.lift(event);
  if (!stroke) return;
  if (stroke.points.length > 1 || stroke.sent < 0) flush();
  drop();
}

function drop() {
  clearTimeout(stroke?.timer);
  stroke = null;
}

function flush() {
  if (!stroke) return;
  clearTimeout(stroke.timer);
  stroke.timer = 0;
  stroke.sent = performance.now();
  const points = stroke.points.slice(-500);
  stroke.points = points.slice(-1); // the next piece goes on from here
  if (tool.name === "plant" && stroke.planted) return;
  stroke.planted = true;
  act(tool.event(points));
}

function circle(event) {
  const canvas = event.target.closest?.("canvas");
  ring.hidden = !canvas || stage.classList.contains("stack") || event.pointerType === "touch";
  if (ring.hidden) return;
  const box = canvas.getBoundingClientRect();
  const cell = box.width / now.about.size.at(-1);
  show(event.clientX, event.clientY, cell);
}

function show(x, y, cell) {
  const around = stage.getBoundingClientRect();
  const side = Math.max(2 * tool.reach() * cell, 6);
  ring.style.left = `${x - around.left}px`;
  ring.style.top = `${y - around.top}px`;
  ring.style.width = `${side}px`;
  ring.style.height = `${side}px`;
}

// The keyboard's brush: a cursor that arrow keys move and Enter uses.
let cursor = null;

export function moveCursor(down, across) {
  const size = now.about.size;
  const [high, wide] = [size.length > 1 ? size.at(-2) : 1, size.at(-1)];
  cursor ??= [Math.floor(high / 2), Math.floor(wide / 2)];
  cursor = [(cursor[0] + down + high) % high, (cursor[1] + across + wide) % wide];
  zoom.reveal(cursorSeen());
  const box = figures[0].firstChild.getBoundingClientRect();
  const [left, top] = cursorSeen();
  ring.hidden = false;
  show(box.left + left * box.width, box.top + top * box.height, box.width / wide);
}

function cursorSeen() {
  const size = now.about.size;
  return lattice.seenAt([cursor[0] + 0.5, cursor[1] + 0.5], size.length > 1 ? size.slice(-2) : [1, size[0]]);
}

// Come nearer to the cursor, or to the middle.
export function nearer(factor) {
  if (cursor) zoom.nearer(factor, zoom.seen(cursorSeen()));
  else zoom.nearer(factor);
}

export function useCursor() {
  if (!cursor) moveCursor(0, 0);
  const flat = [cursor[0] + 0.5, cursor[1] + 0.5];
  const axes = now.about.size.length;
  const point = axes === 1 ? flat.slice(1) : axes === 2 ? flat : [now.head.look.slice + 0.5, ...flat];
  act(tool.event([point]));
}

export function start() {
  stage.addEventListener("pointerdown", begin);
  stage.addEventListener("pointermove", go);
  stage.addEventListener("pointerup", end);
  stage.addEventListener("pointercancel", end);
  stage.addEventListener("pointerleave", () => { ring.hidden = true; });
  addEventListener("pointermove", ({ clientX: x, clientY: y }) => { pointer = { x, y }; });
  on("frame", draw);
  new ResizeObserver(() => now.head && fit(now.head, now.head.arrangement === "stack")).observe(stage);
}
