// Numbers in rows, columns and so on: what an operation of a graph takes and gives.
// A tensor is { shape, data }: Float32Array for numbers, Float64Array for whole numbers (exact up
// to 2**53), Uint8Array for truths.

const KINDS = { number: Float32Array, whole: Float64Array, truth: Uint8Array };
const sizeOf = (shape) => shape.reduce((product, side) => product * side, 1);
const tensorOf = (shape, data) => ({ shape, data });
const wholes = (numbers) => tensorOf([numbers.length], Float64Array.from(numbers));
const axisOf = (axis, shape) => (axis < 0 ? axis + shape.length : axis);

function stridesOf(shape) {
  const strides = new Array(shape.length);
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; --axis) {
    strides[axis] = step;
    step *= shape[axis];
  }
  return strides;
}

// read as the strides say, from some place on, into rows that lie side by side
function strided({ data }, shape, strides, start = 0) {
  const out = new data.constructor(sizeOf(shape)), axes = shape.length;
  const last = axes ? shape[axes - 1] : 1, step = axes ? strides[axes - 1] : 0;
  const place = new Array(axes).fill(0);
  for (let to = 0, from = start; to < out.length;) {
    if (step === 1 && last > 16) {
      out.set(data.subarray(from, from + last), to);
      to += last;
    } else for (let n = 0, f = from; n < last; ++n, f += step) out[to++] = data[f];
    for (let axis = axes - 2; axis >= 0; --axis) {
      from += strides[axis];
      if (++place[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      place[axis] = 0;
    }
  }
  return tensorOf(shape, out);
}

const permuted = (x, order) => {
  const strides = stridesOf(x.shape);
  return strided(x, order.map((axis) => x.shape[axis]), order.map((axis) => strides[axis]));
};

const shaped = (x, shape) => tensorOf(shape, x.data);

// the shape that all shapes stretch to
function common(...shapes) {
  const axes = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: axes }, (_, axis) => shapes.reduce((side, shape) => {
    const own = shape[axis - axes + shape.length] ?? 1;
    if (own !== side && own !== 1 && side !== 1)
      throw new Error(`[${shapes.join("] and [")}] do not go together`);
    return side === 1 ? own : side;
  }, 1));
}

function stretched(x, shape) {
  if (x.shape.length === shape.length && x.shape.every((side, axis) => side === shape[axis]))
    return x;
  const missing = shape.length - x.shape.length, own = stridesOf(x.shape);
  return strided(x, shape, shape.map((_, axis) =>
    axis < missing || x.shape[axis - missing] === 1 ? 0 : own[axis - missing]));
}

// an operation on each number
const each = (act, Kind = null) => ({ inputs: [x] }) => {
  const from = x.data, out = new (Kind || from.constructor)(from.length);
  for (let n = 0; n < out.length; ++n) out[n] = act(from[n]);
  return tensorOf(x.shape, out);
};

// an operation on two numbers each, stretched where needed
const pairs = (act, Kind = null) => ({ inputs: [x, y] }) => {
  const shape = common(x.shape, y.shape), Out = Kind || x.data.constructor;
  const [a, b] = [stretched(x, shape).data, stretched(y, shape).data];
  const out = new Out(a.length);
  for (let n = 0; n < out.length; ++n) out[n] = act(a[n], b[n]);
  return tensorOf(shape, out);
};

// some axes folded into one number each
const folded = (act) => ({ inputs: [x, given], attributes }) => {
  let axes = given ? [...given.data] : attributes.axes || [];
  if (!axes.length) {
    if (attributes.noop_with_empty_axes) return x;
    axes = x.shape.map((_, axis) => axis);
  }
  axes = axes.map((axis) => axisOf(axis, x.shape));
  const kept = x.shape.map((_, axis) => axis).filter((axis) => !axes.includes(axis));
  const rows = permuted(x, [...kept, ...axes]).data;
  const shape = attributes.keepdims === 0 ? kept.map((axis) => x.shape[axis])
    : x.shape.map((side, axis) => (axes.includes(axis) ? 1 : side));
  const out = new x.data.constructor(sizeOf(shape)), long = rows.length / out.length;
  for (let n = 0; n < out.length; ++n) out[n] = act(rows.subarray(n * long, (n + 1) * long));
  return tensorOf(shape, out);
};

// something done to each row along one axis; it writes into the row
const along = (act) => ({ inputs: [x], attributes }) => {
  const axis = axisOf(attributes.axis ?? -1, x.shape), order = x.shape.map((_, n) => n);
  [order[axis], order[order.length - 1]] = [order[order.length - 1], order[axis]];
  const rows = permuted(x, order), long = x.shape[axis];
  for (let n = 0; n < rows.data.length; n += long) act(rows.data.subarray(n, n + long));
  return permuted(rows, order);
};
