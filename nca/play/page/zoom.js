// How near the cells are brought, by two fingers, the wheel or a key: all panes alike.

const stage = document.getElementById("stage");
const NEAREST = 32;
const fingers = new Map();
let scale = 1;
let [left, top] = [0, 0]; // where the corner of a picture lies, in shares of its pane

// Bring what is seen at a place, in shares of a pane, nearer or, below 1, farther.
export function nearer(factor, [across, down] = [0.5, 0.5]) {
  const wanted = Math.min(Math.max(scale * factor, 1), NEAREST);
  left = across - (across - left) * (wanted / scale);
  top = down - (down - top) * (wanted / scale);
  scale = wanted;
  hold();
}

export function whole() {
  nearer(0);
}

// Where a point of the picture, in shares of the whole of it, is seen on its pane.
export function seen([across, down]) {
  return [left + across * scale, top + down * scale];
}

// The point of the picture that is in the middle of its pane, in shares of the whole of it.
export function middle() {
  return [(0.5 - left) / scale, (0.5 - top) / scale];
}

// Bring a point of the picture into sight.
export function reveal(point) {
  const [across, down] = seen(point);
  if (Math.min(across, down) >= 0 && Math.max(across, down) <= 1) return;
  left += 0.5 - across;
  top += 0.5 - down;
  hold();
}

// Take note of a finger; return how many there are.
export function touch(event) {
  if (event.pointerType === "touch") fingers.set(event.pointerId, [event.clientX, event.clientY]);
  return fingers.size;
}

// Let a finger move. Two of them hold the picture between them; return whether there are two.
export function pinch(event, canvas) {
  if (!fingers.has(event.pointerId)) return false;
  const before = span();
  touch(event);
  if (fingers.size !== 2) return false;
  const after = span();
  const [from, to] = [share(canvas, before.middle), share(canvas, after.middle)];
  left += to[0] - from[0];
  top += to[1] - from[1];
  nearer(after.apart / before.apart, to);
  return true;
}

export function lift(event) {
  fingers.delete(event.pointerId);
}

function span() {
  const [[x, y], [u, v]] = [...fingers.values(), ...fingers.values()];
  return { middle: [(x + u) / 2, (y + v) / 2], apart: Math.max(Math.hypot(x - u, y - v), 1) };
}

// Where a point of the screen lies on a pane, in shares of it.
function share(canvas, [x, y]) {
  const box = canvas.getBoundingClientRect();
  return [left + ((x - box.left) / box.width) * scale, top + ((y - box.top) / box.height) * scale];
}

// Keep the pane full; what is beyond its edges is cut off.
function hold() {
  left = Math.min(0, Math.max(1 - scale, left));
  top = Math.min(0, Math.max(1 - scale, top));
  const cut = [top, left].map((start) => [-start, start + scale - 1].map((share) => `${(100 * share) / scale}%`));
  stage.classList.toggle("near", scale > 1);
  stage.style.setProperty("--near", `translate(${100 * left}%, ${100 * top}%) scale(${scale})`);
  stage.style.setProperty("--cut", `inset(${cut[0][0]} ${cut[1][1]} ${cut[0][1]} ${cut[1][0]})`);
}

export function start() {
  stage.addEventListener("wheel", (event) => {
    const canvas = event.target.closest("canvas");
    if (!canvas || stage.classList.contains("stack")) return;
    event.preventDefault();
    nearer(2 ** (-event.deltaY / 300), share(canvas, [event.clientX, event.clientY]));
  }, { passive: false });
}
