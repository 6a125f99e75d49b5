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
