// The operations of ONNX (opset 20) that a graph of one step may hold, and how each is computed.
// An operation gets { inputs, attributes, outputs: how many } and gives one tensor, or a list.

const rounded = (x) => {
  const near = Math.round(x);
  return near - x === 0.5 && near % 2 ? near - 1 : near; // a half goes to the even neighbour
};
const erf = (x) => { // Abramowitz and Stegun 7.1.26, within 1.5e-7
  const t = 1 / (1 + 0.3275911 * Math.abs(x));
  return Math.sign(x) * (1 - ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t
    - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x));
};
const normalShare = (x) => 0.5 * (1 + erf(x * Math.SQRT1_2));
const roughly = (x) => 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
const modulo = (x, y) => x - y * Math.floor(x / y);
const sum = (row) => row.reduce((total, x) => total + x, 0);
const squares = (row) => row.reduce((total, x) => total + x * x, 0);
const logOfSum = (row) => {
  const most = row.reduce((a, b) => Math.max(a, b), -Infinity);
  return most + Math.log(row.reduce((total, x) => total + Math.exp(x - most), 0));
};

// one after the other, two by two
const gathered = (act) => (call) => call.inputs.reduce((x, y) =>
  act({ ...call, inputs: [x, y] }));

function cast(x, type) {
  if (type === 9) return each((v) => Number(v !== 0), Uint8Array)({ inputs: [x] });
  if (type === 1) return tensorOf(x.shape, Float32Array.from(x.data));
  return each(Math.trunc, Float64Array)({ inputs: [x] });
}

const typeOf = ({ data }) =>
  data instanceof Float32Array ? 1 : data instanceof Uint8Array ? 9 : 7;

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

// keepdims = 0 is heeded only where no sizes are given
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

// a window that slides over the last two axes: its taps, and how many places it comes to
function sliding(x, kernel, attributes) {
  const [up, left, down, right] = attributes.pads || [0, 0, 0, 0];
  const [sy, sx] = attributes.strides || [1, 1], [dy, dx] = attributes.dilations || [1, 1];
  const [height, width] = x.shape.slice(2);
  const reach = (side, k, d, before, after, step) => {
    const far = side + before + after - d * (k - 1) - 1;
    return (attributes.ceil_mode ? Math.ceil(far / step) : Math.floor(far / step)) + 1;
  };
  const tall = reach(height, kernel[0], dy, up, down, sy);
  const wide = reach(width, kernel[1], dx, left, right, sx);
  // for each row of outputs that a tap reaches: act(first output, last, input of the first, step)
  const tap = (ky, kx, act) => {
    const first = Math.max(0, Math.ceil((left - kx * dx) / sx));
    const end = Math.min(wide, Math.ceil((width + left - kx * dx) / sx));
    for (let oy = 0; oy < tall; ++oy) {
      const iy = oy * sy - up + ky * dy;
      if (iy >= 0 && iy < height && first < end)
        act(oy * wide + first, oy * wide + end, iy * width + first * sx - left + kx * dx, sx);
    }
  };
  return { tall, wide, tap };
}

// what each tap of a window sees lies in a row of its own, and all windows are one product
function conv({ inputs: [x, weight, bias], attributes }) {
  const [batch, channels, height, width] = x.shape, [outs, part, ky, kx] = weight.shape;
  const { tall, wide, tap } = sliding(x, [ky, kx], attributes), cells = tall * wide;
  const out = new Float32Array(batch * outs * cells), taps = ky * kx;
  if (bias) for (let row = 0; row < batch * outs; ++row)
    out.fill(bias.data[row % outs], row * cells, (row + 1) * cells);
  const groups = channels / part, group = outs / groups, long = part * taps;
  const seen = new Float32Array(long * cells);
  for (let b = 0; b < batch * groups; ++b) {
    for (let row = 0; row < long; ++row) {
      const to = row * cells, from = (b * part + Math.floor(row / taps)) * height * width;
      const n = row % taps;
      tap(Math.floor(n / kx), n % kx, (first, end, place, step) => {
        for (let p = to + first, q = from + place; p < to + end; ++p, q += step)
          seen[p] = x.data[q];
      });
    }
    const first = (b % groups) * group * long;
    multiply(weight.data.subarray(first, first + group * long), seen,
      out.subarray(b * group * cells, (b + 1) * group * cells), group, long, cells);
  }
  return tensorOf([batch, outs, tall, wide], out);
}

const pool = (begin, act, finish) => ({ inputs: [x], attributes }) => {
  const [batch, channels, height, width] = x.shape, [ky, kx] = attributes.kernel_shape;
  const { tall, wide, tap } = sliding(x, [ky, kx], attributes);
  const out = new Float32Array(batch * channels * tall * wide).fill(begin);
  const seen = new Float64Array(tall * wide);
  for (let ch = 0; ch < batch * channels; ++ch) {
    seen.fill(0);
    const to = ch * tall * wide, from = ch * height * width;
    for (let n = 0; n < ky * kx; ++n)
      tap(Math.floor(n / kx), n % kx, (first, end, place, step) => {
        for (let p = first, q = from + place; p < end; ++p, q += step) {
          out[to + p] = act(out[to + p], x.data[q]);
          seen[p] += 1;
        }
      });
    for (let p = 0; p < seen.length; ++p)
      out[to + p] = finish(out[to + p], attributes.count_include_pad ? ky * kx : seen[p]);
  }
  return tensorOf([batch, channels, tall, wide], out);
};

function matmul({ inputs: [x, y] }) {
  const a = x.shape.length === 1 ? shaped(x, [1, ...x.shape]) : x;
  const b = y.shape.length === 1 ? shaped(y, [...y.shape, 1]) : y;
  const [M, K] = a.shape.slice(-2), N = b.shape[b.shape.length - 1];
  const batch = common(a.shape.slice(0, -2), b.shape.slice(0, -2)), count = sizeOf(batch);
  const out = new Float32Array(count * M * N);
  if (b.shape.length === 2) {
    multiply(a.data, b.data, out, count * M, K, N); // all rows at once
  } else {
    const [left, right] = [stretched(a, [...batch, M, K]).data, stretched(b, [...batch, K, N]).data];
    for (let n = 0; n < count; ++n)
      multiply(left.subarray(n * M * K, (n + 1) * M * K),
        right.subarray(n * K * N, (n + 1) * K * N),
        out.subarray(n * M * N, (n + 1) * M * N), M, K, N);
  }
  const shape = [...batch, ...(x.shape.length > 1 ? [M] : []), ...(y.shape.length > 1 ? [N] : [])];
  return tensorOf(shape, out);
}

function gemm({ inputs: [x, y, z], attributes }) {
  const { alpha = 1, beta = 1, transA, transB } = attributes;
  const product = matmul({ inputs: [transA ? permuted(x, [1, 0]) : x,
    transB ? permuted(y, [1, 0]) : y] });
  const added = z ? stretched(z, product.shape).data : null;
  product.data.forEach((v, n) => {
    product.data[n] = alpha * v + (added ? beta * added[n] : 0);
  });
  return product;
}

const extreme = (better) => (call) => folded((row) => {
  let best = 0;
  for (let n = 1; n < row.length; ++n) if (better(row[n], row[best])) best = n;
  return best;
})({ inputs: [tensorOf(call.inputs[0].shape, Float64Array.from(call.inputs[0].data))],
  attributes: { axes: [call.attributes.axis || 0], keepdims: call.attributes.keepdims } });

function layerNormalization({ inputs: [x, scale, bias], attributes }) {
  const axis = axisOf(attributes.axis ?? -1, x.shape), long = sizeOf(x.shape.slice(axis));
  const out = new Float32Array(x.data.length), epsilon = attributes.epsilon ?? 1e-5;
  for (let n = 0; n < out.length; n += long) {
    const row = Float64Array.from(x.data.subarray(n, n + long)), mean = sum(row) / long;
    const spread = Math.sqrt(squares(row.map((v) => v - mean)) / long + epsilon);
    for (let i = 0; i < long; ++i)
      out[n + i] = (row[i] - mean) / spread * scale.data[i] + (bias ? bias.data[i] : 0);
  }
  return tensorOf(x.shape, out);
}

function where({ inputs: [truth, x, y] }) {
  const shape = common(truth.shape, x.shape, y.shape);
  const [t, a, b] = [truth, x, y].map((z) => stretched(z, shape).data);
  return tensorOf(shape, a.map((v, n) => (t[n] ? v : b[n])));
}

function clip({ inputs: [x, low, high] }) {
  const [least, most] = [low ? low.data[0] : -Infinity, high ? high.data[0] : Infinity];
  return each((v) => Math.min(Math.max(v, least), most))({ inputs: [x] });
}

const constantOfShape = ({ inputs: [shape], attributes }) => {
  const [kind, value] = attributes.value || ["number", 0];
  return tensorOf([...shape.data], new KINDS[kind](sizeOf([...shape.data])).fill(value));
};

const range = ({ inputs: [start, end, step] }) => {
  const count = Math.max(0, Math.ceil((end.data[0] - start.data[0]) / step.data[0]));
  return tensorOf([count], new start.data.constructor(count)
    .map((_, n) => start.data[0] + n * step.data[0]));
};

const divided = (call) => (call.inputs[0].data instanceof Float64Array
  ? pairs((x, y) => Math.trunc(x / y)) : pairs((x, y) => x / y))(call);

const OPERATIONS = {
  Abs: each(Math.abs), Ceil: each(Math.ceil), Cos: each(Math.cos), Erf: each(erf),
  Exp: each(Math.exp), Floor: each(Math.floor), Identity: ({ inputs: [x] }) => x,
  Log: each(Math.log), Neg: each((x) => -x), Reciprocal: each((x) => 1 / x),
  Relu: each((x) => (x > 0 ? x : x < 0 ? 0 : x)), Round: each(rounded),
  Sigmoid: each((x) => 1 / (1 + Math.exp(-x))), Sign: each(Math.sign), Sin: each(Math.sin),
  Softplus: each((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  Sqrt: each(Math.sqrt), Tanh: each(Math.tanh), Not: each((x) => 1 - x),
  Elu: (call) => each((x) => (x > 0 ? x : (call.attributes.alpha ?? 1) * Math.expm1(x)))(call),
  LeakyRelu: (call) => each((x) => (x < 0 ? (call.attributes.alpha ?? 0.01) * x : x))(call),
  Gelu: (call) => each(call.attributes.approximate === "tanh"
    ? (x) => x * roughly(x) : (x) => x * normalShare(x))(call),
  IsNaN: each((x) => Number(x !== x), Uint8Array),
  Add: pairs((x, y) => x + y), Sub: pairs((x, y) => x - y), Mul: pairs((x, y) => x * y),
  Div: divided, Pow: pairs((x, y) => x ** y),
  Mod: (call) => pairs(call.attributes.fmod ? (x, y) => x % y : modulo)(call),
  Max: gathered(pairs(Math.max)), Min: gathered(pairs(Math.min)),
  Sum: gathered(pairs((x, y) => x + y)),
  And: pairs((x, y) => x & y), Or: pairs((x, y) => x | y), Xor: pairs((x, y) => x ^ y),
  Equal: pairs((x, y) => Number(x === y), Uint8Array),
  Greater: pairs((x, y) => Number(x > y), Uint8Array),
  GreaterOrEqual: pairs((x, y) => Number(x >= y), Uint8Array),
  Less: pairs((x, y) => Number(x < y), Uint8Array),
  LessOrEqual: pairs((x, y) => Number(x <= y), Uint8Array),
  Where: where, Clip: clip,
  Cast: ({ inputs: [x], attributes }) => cast(x, attributes.to),
  CastLike: ({ inputs: [x, like] }) => cast(x, typeOf(like)),
  ReduceSum: folded(sum), ReduceMean: folded((row) => sum(row) / row.length),
  ReduceMax: folded((row) => row.reduce((a, b) => Math.max(a, b))),
  ReduceMin: folded((row) => row.reduce((a, b) => Math.min(a, b))),
  ReduceProd: folded((row) => row.reduce((a, b) => a * b, 1)),
  ReduceL1: folded((row) => row.reduce((total, x) => total + Math.abs(x), 0)),
  ReduceL2: folded((row) => Math.sqrt(squares(row))), ReduceSumSquare: folded(squares),
  ReduceLogSumExp: folded(logOfSum),
  ArgMax: extreme((x, y) => x > y), ArgMin: extreme((x, y) => x < y),
  Softmax: along((row) => {
    const total = logOfSum(row);
    for (let n = 0; n < row.length; ++n) row[n] = Math.exp(row[n] - total);
  }),
  LogSoftmax: along((row) => {
    const total = logOfSum(row);
    for (let n = 0; n < row.length; ++n) row[n] -= total;
  }),
  LayerNormalization: layerNormalization,
  MatMul: matmul, Gemm: gemm, Conv: conv,
  MaxPool: pool(-Infinity, Math.max, (x) => x),
  AveragePool: pool(0, (x, y) => x + y, (x, count) => x / count),
  Shape: ({ inputs: [x], attributes }) => wholes(x.shape.slice(attributes.start, attributes.end)),
  Size: ({ inputs: [x] }) => tensorOf([], Float64Array.of(x.data.length)),
  Reshape: reshape, Squeeze: squeeze, Unsqueeze: unsqueeze,
  Flatten: ({ inputs: [x], attributes }) => {
    const axis = axisOf(attributes.axis ?? 1, x.shape);
    return shaped(x, [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]);
  },
  Transpose: ({ inputs: [x], attributes }) =>
    permuted(x, attributes.perm || x.shape.map((_, axis) => x.shape.length - 1 - axis)),
  Expand: ({ inputs: [x, shape] }) => stretched(x, common(x.shape, [...shape.data])),
  Tile: tile, Pad: pad, Slice: slice, Concat: concat, Split: split,
  SplitToSequence: splitToSequence,
  SequenceAt: ({ inputs: [parts, place] }) => parts.at(place.data[0]),
  Gather: gather, GatherElements: gatherElements, GatherND: gatherND,
  ConstantOfShape: constantOfShape, Range: range,
};
