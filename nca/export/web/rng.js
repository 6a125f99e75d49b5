// Randomness that is counted: the same numbers as nca/noise.py, bit by bit.

const WEYL = 0x9e3779b9;

function mix(bits) {
  bits ^= bits >>> 16;
  bits = Math.imul(bits, 0x7feb352d);
  bits ^= bits >>> 15;
  bits = Math.imul(bits, 0x846ca68b);
  return (bits ^ (bits >>> 16)) >>> 0;
}

const absorb = (key, number) => mix(((key ^ number) + WEYL) | 0);

// seed: its lower and upper 32 bits
const keyOf = (seed, stream, step) =>
  absorb(absorb(absorb(absorb(0, seed[0]), seed[1]), stream), step);

// one number of a channel of a cell; keys: of the one stream, or of the three
const uniformly = (keys, channel, cell) =>
  (absorb(absorb(keys[0], channel), cell) >>> 8) * 2 ** -24;

function normally(keys, channel, cell) {
  let total = 0;
  for (const key of keys) {
    const bits = absorb(absorb(key, channel), cell);
    total += (bits & 0x00ff00ff) + ((bits >>> 8) & 0x00ff00ff);
  }
  return ((total & 0xffff) + (total >>> 16) - 1530) * Math.fround(1 / Math.sqrt(65535));
}

const NOISE_GLSL = `
uint mixed(uint bits) {
  bits ^= bits >> 16; bits *= 0x7feb352du;
  bits ^= bits >> 15; bits *= 0x846ca68bu;
  return bits ^ (bits >> 16);
}
uint absorb(uint key, uint number) { return mixed((key ^ number) + 0x9e3779b9u); }
float uniformly(uint key, uint channel, uint cell) {
  return float(absorb(absorb(key, channel), cell) >> 8) * 5.9604644775390625e-8;
}
float normally(uvec3 keys, uint channel, uint cell) {
  uint total = 0u;
  for (int third = 0; third < 3; ++third) {
    uint bits = absorb(absorb(keys[third], channel), cell);
    total += (bits & 0x00ff00ffu) + ((bits >> 8) & 0x00ff00ffu);
  }
  return float(int((total & 0xffffu) + (total >> 16)) - 1530) * 0.0039062798026634525;
}
`;
