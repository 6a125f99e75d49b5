// Operations of ONNX that compute nothing: numbers cut, joined, picked and laid out anew.

const modulo = (x, y) => x - y * Math.floor(x / y);

function slice({ inputs: [x, starts, ends, axes, steps] }) {
  const own = stridesOf(x.shape), shape = [...x.shape], strides = [...own];
  let from = 0;
  starts.data.forEach((start, n) => {
    const axis = axisOf(axes ? axes.data[n] : n, x.shape), side = x.shape[axis];
    const step = steps ? steps.data[n] : 1;
    const bound = (place, low, high) =>
      Math.min(Math.max(place < 0 ? place + side : place, low), high);
    const begin = step > 0 ? bound(start, 0, side) : bound(start, 0, side - 1);
    const end = step > 0 ? bound(ends.data[n], 0, side) : bound(ends.data[n], -1, side - 1);
    shape[axis] = Math.max(0, Math.ceil((end - begin) / step));
    strides[axis] = own[axis] * step;
    from += begin * own[axis];
  });
  return strided(x, shape, strides, from);
}

function concat({ inputs, attributes }) {
  const axis = axisOf(attributes.axis, inputs[0].shape), shape = [...inputs[0].shape];
  shape[axis] = inputs.reduce((total, x) => total + x.shape[axis], 0);
  const out = new inputs[0].data.constructor(sizeOf(shape));
  const row = sizeOf(shape.slice(axis)), rows = out.length / row || 0;
  let place = 0;
  for (const x of inputs) {
    const part = sizeOf(x.shape.slice(axis));
    for (let n = 0; n < rows; ++n)
      out.set(x.data.subarray(n * part, (n + 1) * part), n * row + place);
    place += part;
  }
  return tensorOf(shape, out);
}

function parted(x, axis, sides) {
  const own = stridesOf(x.shape);
  let from = 0;
  return sides.map((side) => {
    const part = strided(x, x.shape.map((old, n) => (n === axis ? side : old)), own, from);
    from += side * own[axis];
    return part;
  });
}

const evenly = (whole, part, count = Math.ceil(whole / part)) =>
  Array.from({ length: count }, (_, n) => Math.max(0, Math.min(part, whole - n * part)));

function split({ inputs: [x, sides], attributes, outputs }) {
  const axis = axisOf(attributes.axis ?? 0, x.shape);
  return parted(x, axis,
    sides ? [...sides.data] : evenly(x.shape[axis], Math.ceil(x.shape[axis] / outputs), outputs));
}

// keepdims = 0 counts only where no sizes are given
function splitToSequence({ inputs: [x, sides], attributes }) {
  const axis = axisOf(attributes.axis ?? 0, x.shape), whole = x.shape[axis];
  if (sides) return [parted(x, axis, sides.shape.length ? [...sides.data]
    : evenly(whole, sides.data[0]))];
  const parts = parted(x, axis, new Array(whole).fill(1));
  return [attributes.keepdims === 0
    ? parts.map((part) => shaped(part, part.shape.filter((_, n) => n !== axis))) : parts];
}

function reshape({ inputs: [x, wanted], attributes }) {
  const shape = [...wanted.data].map((side, axis) =>
    (side === 0 && !attributes.allowzero ? x.shape[axis] : side));
  const open = shape.indexOf(-1);
  if (open >= 0) shape[open] = x.data.length / -sizeOf(shape);
  return shaped(x, shape);
}

function squeeze({ inputs: [x, axes] }) {
  const gone = axes ? [...axes.data].map((axis) => axisOf(axis, x.shape)) : null;
  return shaped(x, x.shape.filter((side, axis) => (gone ? !gone.includes(axis) : side !== 1)));
}

function unsqueeze({ inputs: [x, axes] }) {
  const count = x.shape.length + axes.data.length;
  const added = [...axes.data].map((axis) => (axis < 0 ? axis + count : axis));
  const sides = [...x.shape];
  return shaped(x, Array.from({ length: count }, (_, axis) =>
    (added.includes(axis) ? 1 : sides.shift())));
}

function gather({ inputs: [x, index], attributes }) {
  const axis = axisOf(attributes.axis ?? 0, x.shape), side = x.shape[axis];
  const before = sizeOf(x.shape.slice(0, axis)), row = sizeOf(x.shape.slice(axis + 1));
  const out = new x.data.constructor(before * index.data.length * row);
  let to = 0;
  for (let b = 0; b < before; ++b)
    for (const place of index.data) {
      const from = (b * side + (place < 0 ? place + side : place)) * row;
      out.set(x.data.subarray(from, from + row), to);
      to += row;
    }
  return tensorOf([...x.shape.slice(0, axis), ...index.shape, ...x.shape.slice(axis + 1)], out);
}

function gatherElements({ inputs: [x, index], attributes }) {
  const axis = axisOf(attributes.axis ?? 0, x.shape), own = stridesOf(x.shape);
  const out = new x.data.constructor(index.data.length), strides = stridesOf(index.shape);
  for (let n = 0; n < out.length; ++n) {
    const place = index.data[n];
    let from = 0;
    strides.forEach((stride, a) => {
      const here = Math.floor(n / stride) % index.shape[a];
      from += (a === axis ? (place < 0 ? place + x.shape[a] : place) : here) * own[a];
    });
    out[n] = x.data[from];
  }
  return tensorOf(index.shape, out);
}

function gatherND({ inputs: [x, index], attributes }) {
  const shared = attributes.batch_dims || 0, long = index.shape[index.shape.length - 1];
  const own = stridesOf(x.shape), row = sizeOf(x.shape.slice(shared + long));
  const batch = sizeOf(x.shape.slice(0, shared)), picks = index.data.length / long;
  const out = new x.data.constructor(picks * row), block = x.data.length / batch;
  for (let n = 0; n < picks; ++n) {
    let from = Math.floor(n / (picks / batch)) * block;
    for (let a = 0; a < long; ++a) {
      const place = index.data[n * long + a], side = x.shape[shared + a];
      from += (place < 0 ? place + side : place) * own[shared + a];
    }
    out.set(x.data.subarray(from, from + row), n * row);
  }
  return tensorOf([...index.shape.slice(0, -1), ...x.shape.slice(shared + long)], out);
}

function tile({ inputs: [x, times] }) {
  let now = x;
  times.data.forEach((count, axis) => {
    now = concat({ inputs: new Array(count).fill(now), attributes: { axis } });
  });
  return now;
}

// where a place beyond an edge leads, or -1: nowhere
const FILLED = {
  constant: (place, side) => (place < 0 || place >= side ? -1 : place),
  edge: (place, side) => Math.min(Math.max(place, 0), side - 1),
  wrap: (place, side) => modulo(place, side),
  reflect: (place, side) => {
    const lap = modulo(place, Math.max(2 * side - 2, 1));
    return Math.min(lap, 2 * side - 2 - lap);
  },
};

function pad({ inputs: [x, pads, fill, axes], attributes }) {
  const named = axes ? [...axes.data].map((axis) => axisOf(axis, x.shape)) : null;
  const lead = FILLED[attributes.mode || "constant"], count = pads.data.length / 2;
  let now = x;
  for (let n = 0; n < count; ++n) {
    const axis = named ? named[n] : n, side = now.shape[axis];
    const [before, after] = [pads.data[n], pads.data[n + count]];
    if (!before && !after) continue;
    const shape = now.shape.map((old, a) => (a === axis ? old + before + after : old));
    const out = new now.data.constructor(sizeOf(shape)).fill(fill ? fill.data[0] : 0);
    const row = sizeOf(shape.slice(axis + 1)), rows = sizeOf(shape.slice(0, axis));
    for (let r = 0; r < rows; ++r)
      for (let place = 0; place < shape[axis]; ++place) {
        const from = lead(place - before, side), to = (r * shape[axis] + place) * row;
        if (from >= 0)
          out.set(now.data.subarray((r * side + from) * row, (r * side + from + 1) * row), to);
      }
    now = tensorOf(shape, out);
  }
  return now;
}
