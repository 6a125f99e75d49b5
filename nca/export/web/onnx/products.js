// Operations of ONNX that sum up products, or what a window shows.

// rows of a (M, K) times columns of b (K, N), added to out (M, N)
function multiply(a, b, out, M, K, N) {
  for (let m = 0; m < M; ++m) {
    const row = m * N;
    let k = 0;
    for (; k + 3 < K; k += 4) {
      const at = m * K + k, a0 = a[at], a1 = a[at + 1], a2 = a[at + 2], a3 = a[at + 3];
      const b0 = k * N, b1 = b0 + N, b2 = b1 + N, b3 = b2 + N;
      for (let n = 0; n < N; ++n)
        out[row + n] += a0 * b[b0 + n] + a1 * b[b1 + n] + a2 * b[b2 + n] + a3 * b[b3 + n];
    }
    for (; k < K; ++k) {
      const factor = a[m * K + k], from = k * N;
      for (let n = 0; n < N; ++n) out[row + n] += factor * b[from + n];
    }
  }
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
