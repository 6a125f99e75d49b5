// Small pictures of numbers over steps.

const style = getComputedStyle(document.documentElement);
export const colour = (name) => style.getPropertyValue(name).trim();

// A class's colour, made for white paper, as it can be seen in the dark: lighter until the contrast is 3 to 1.
export function visible(hex) {
  const [base, ground, ink] = [hex, colour("--surface"), colour("--ink")].map(channels);
  if (light(ground) > light(ink)) return hex;
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = base.map((part, place) => part + (ink[place] - part) * share);
    const [low, high] = [light(mixed), light(ground)].sort((a, b) => a - b);
    if ((high + 0.05) / (low + 0.05) >= 3) return `rgb(${mixed.map(Math.round).join(",")})`;
  }
  return colour("--ink");
}

function channels(hex) {
  return [1, 3, 5].map((place) => parseInt(hex.slice(place, place + 2), 16));
}

function light(parts) {
  const [red, green, blue] = parts.map((part) => (part / 255 <= 0.04045 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export function pen(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
  if (canvas.width !== Math.round(wide * ratio)) canvas.width = Math.round(wide * ratio);
  if (canvas.height !== Math.round(high * ratio)) canvas.height = Math.round(high * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, wide, high);
  return { context, wide, high };
}

// points: [[step, value], ...] in order; mark: the step where one stands.
export function spark(canvas, points, mark = null) {
  const { context, wide, high } = pen(canvas);
  if (points.length < 2) return;
  const [first, last] = [points[0][0], points.at(-1)[0]];
  const values = points.map(([, value]) => value);
  const [low, top] = [Math.min(...values), Math.max(...values)];
  const x = (step) => 1 + ((wide - 2) * (step - first)) / Math.max(last - first, 1);
  const y = (value) => high - 2 - ((high - 4) * (value - low)) / (top - low || 1);
  context.strokeStyle = colour("--accent");
  context.lineWidth = 1.5;
  context.lineJoin = "round";
  context.beginPath();
  for (const [step, value] of points) context.lineTo(x(step), y(value));
  context.stroke();
  const here = points.find(([step]) => step === mark);
  if (!here) return;
  context.fillStyle = colour("--ink");
  context.beginPath();
  context.arc(x(here[0]), y(here[1]), 2, 0, 7);
  context.fill();
}

// Shares of the whole, one above the other.
export function bands(canvas, rows, colours, mark) {
  const { context, wide, high } = pen(canvas);
  if (rows.length < 2) return;
  const [first, last] = [rows[0][0], rows.at(-1)[0]];
  const x = (step) => (wide * (step - first)) / Math.max(last - first, 1);
  const base = rows.map(() => high);
  colours.forEach((filled, number) => {
    context.fillStyle = filled;
    context.beginPath();
    rows.forEach(([step], place) => context.lineTo(x(step), base[place]));
    for (let place = rows.length - 1; place >= 0; place -= 1) {
      base[place] -= high * rows[place][1][number];
      context.lineTo(x(rows[place][0]), base[place]);
    }
    context.fill();
  });
  context.fillStyle = colour("--ink");
  context.fillRect(Math.min(x(mark), wide - 1), 0, 1, high);
}
