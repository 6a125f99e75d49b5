// Let steps of cells of few states pass as bits on the graphics card: a texel is 128 cells of a row,
// in four words of 32 bits, and a cell is computed by a circuit of logic gates. States become bits
// when a step is due, and cells again when somebody looks.

const LONG = 128; // cells in a texel of words
const texelsOf = (width) => Math.ceil(width / LONG);
const ALL = (wire) => (wire === "0" ? "uvec4(0u)" : wire === "1" ? "uvec4(0xFFFFFFFFu)" : `w${wire}`);

const WORDS = `precision highp usampler2DArray;
uniform usampler2DArray words;
uniform int layer;
uint bit(int x, int y, int l) {
  return texelFetch(words, ivec3(x >> 7, y, l), 0)[(x >> 5) & 3] >> uint(x & 31) & 1u;
}
`;

// the words of 128 cells, those beyond the edge as the boundary has them
const line = (radius) => `uvec4 line(int k, int y, int l) {
  if (y < 0) return uvec4(0u);
  bool beyond = k < 0 || k * ${LONG} >= size.x;
  uvec4 found = beyond ? uvec4(0u) : texelFetch(words, ivec3(k, y, l), 0);
  if (k < 0 || (k + 1) * ${LONG} > size.x)
    for (int n = 1; n <= ${radius}; ++n)
      for (int end = 0; end < 2; ++end) {
        int x = end == 0 ? -n : size.x - 1 + n, place = x - k * ${LONG}, from = column(x, size.x);
        if (place < 0 || place >= ${LONG} || from < 0) continue;
        uvec4 here = uvec4(equal(ivec4(place >> 5), ivec4(0, 1, 2, 3)));
        found |= here * (bit(from, y, l) << uint(place & 31));
      }
  return found;
}
uvec4 inside(int k) {
  ivec4 cells = clamp(size.x - k * ${LONG} - ivec4(0, 32, 64, 96), 0, 32);
  return (uvec4(1u) << uvec4(cells & 31)) - 1u | uvec4(equal(cells, ivec4(32))) * 0xFFFFFFFFu;
}
`;

const outs = (kind, count) => [...Array(count).keys()]
  .map((o) => `layout(location = ${o}) out ${kind} to${o};\n`).join("");

// a part of the planes of the successor, from plane `first` on
function bitStepShader(plan, level, first, count) {
  const { offsets, planes, gates, outputs } = level.bits, inputs = offsets.length * planes;
  const wanted = outputs.slice(first, first + count), needed = new Set(wanted);
  gates.map((gate, n) => [inputs + n, gate]).reverse().forEach(([wire, [, a, b]]) => {
    if (needed.has(wire)) needed.add(a).add(b);
  });
  const known = new Set(), lines = [];
  const once = (name, kind, value) => {
    if (!known.has(name)) lines.push(`${kind} ${name} = ${value};`);
    known.add(name);
    return name;
  };
  const fetched = (down, plane, step) => {
    const name = `r${plane}_${down + 99}_${step + 1}`;
    const y = once(`y${down + 99}`, "int", `row(here.y + ${down}, size.y)`);
    return once(name, "uvec4", `line(here.x + ${step}, ${y}, layer + ${plane})`);
  };
  offsets.forEach(([down, across], n) => {
    for (let plane = 0; plane < planes; ++plane) {
      if (!needed.has(n * planes + plane)) continue;
      const own = fetched(down, plane, 0);
      let seen = own;
      if (across > 0)
        seen = `${own} >> ${across} | uvec4(${own}.yzw, ${fetched(down, plane, 1)}.x) << ${32 - across}`;
      if (across < 0)
        seen = `${own} << ${-across} | uvec4(${fetched(down, plane, -1)}.w, ${own}.xyz) >> ${32 + across}`;
      lines.push(`uvec4 w${n * planes + plane} = ${seen};`);
    }
  });
  const signs = { and: "&", or: "|", xor: "^" };
  gates.forEach(([op, a, b], n) => {
    if (needed.has(inputs + n))
      lines.push(`uvec4 w${inputs + n} = ${op === "not" ? `~w${a}` : `w${a} ${signs[op]} w${b}`};`);
  });
  const ends = wanted.map((wire, o) => `to${o} = ${ALL(wire)} & there;`);
  const radius = Math.max(...offsets.flat().map(Math.abs));
  return `${HEAD}${WORDS}${neighbourhood(plan)}${line(radius)}${outs("uvec4", wanted.length)}
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  uvec4 there = inside(here.x);
  ${[...lines, ...ends].join("\n  ")}
}`;
}

// from cells to words: of one channel all planes from `first` on, or channels as planes
function packShader(level, first, count) {
  const { worlds } = level.bits;
  const state = worlds ? stateShader(level.terms[0], "state")
    : "int state(float x) { return x > 0.5 ? 1 : 0; }\n";
  const bits = [...Array(count).keys()].map((o) => {
    const channel = worlds ? "channel" : `${first + o}`;
    return `words${o}[c] |= uint(state(texelFetch(level, ivec3(x, here.y, ${channel} >> 2), 0)[${channel} & 3])
        >> ${worlds ? first + o : 0} & 1) << uint(b);`;
  });
  const begin = bits.map((_, o) => `uvec4 words${o} = uvec4(0u);`);
  const end = bits.map((_, o) => `to${o} = words${o};`);
  return `${HEAD}uniform sampler2DArray level; uniform int channel;
${outs("highp uvec4", count)}${state}
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  ${begin.join(" ")}
  for (int c = 0; c < 4; ++c)
    for (int b = 0; b < 32; ++b) {
      int x = here.x * ${LONG} + c * 32 + b;
      if (x >= size.x) break;
      ${bits.join("\n      ")}
    }
  ${end.join(" ")}
}`;
}

// from words to cells: channels of some groups
function unpackShader(level, first, count) {
  const { worlds, planes } = level.bits, lines = [];
  for (let o = 0; o < count; ++o) {
    const parts = [0, 1, 2, 3].map((c) => {
      const channel = (first + o) * 4 + c;
      if (channel >= level.channels) return "0.0";
      if (!worlds) return `float(bit(here.x, here.y, ${channel}))`;
      const digits = [...Array(planes).keys()]
        .map((p) => `(bit(here.x, here.y, ${channel * planes + p}) << ${p})`);
      return `float(${digits.join(" | ")})`;
    });
    lines.push(`to${o} = vec4(${parts.join(", ")});`);
  }
  return `${HEAD}${WORDS}${outs("vec4", count)}
void main() { ivec2 here = ivec2(gl_FragCoord.xy); ${lines.join("\n  ")} }`;
}

// a level's `newest` says what holds its state: its cells, or its words, or both
class BitEngine extends Engine {
  makeLevel(level) {
    const made = super.makeLevel(level);
    if (!level.bits) return made;
    const { planes, worlds } = level.bits, parts = [];
    for (let channel = 0; channel < (worlds ? level.channels : 1); ++channel)
      for (let first = 0; first < planes; first += this.most)
        parts.push({ channel, first, count: Math.min(this.most, planes - first),
          layer: channel * planes });
    const programs = {};
    return { ...made, parts, programs, newest: "cells",
      words: this.wordLayers(parts, made.size), spareWords: this.wordLayers(parts, made.size) };
  }

  wordLayers(parts, [height, width]) {
    const gl = this.gl;
    const texture = this.texture(gl.TEXTURE_2D_ARRAY), { layer, first, count } = parts.at(-1);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, gl.RGBA32UI, texelsOf(width), height,
      layer + first + count);
    return { texture, frames: parts.map((part) => this.frame(texture, part.layer + part.first,
      part.count)) };
  }

  advance(rate = this.plan.fireRate) {
    if (rate < 1) {
      this.levels.forEach((level) => this.asCells(level));
      super.advance(rate);
      this.levels.filter((level) => level.bits).forEach((level) => { level.newest = "cells"; });
      return;
    }
    for (const level of this.levels) {
      if (!level.bits) continue;
      if (level.newest === "cells") this.asWords(level);
      this.overParts(level, "step", level.spareWords, { words: level.words.texture },
        ({ first, count }) => bitStepShader(this.plan, level, first, count));
      [level.words, level.spareWords] = [level.spareWords, level.words];
      level.newest = "words";
    }
    this.step += 1;
  }

  asWords(level) {
    this.overParts(level, "pack", level.words, { level: level.now.texture },
      ({ first, count }) => packShader(level, first, count));
    level.newest = "both";
  }

  overParts(level, kind, target, textures, write) {
    const [height, width] = level.size;
    level.parts.forEach((part, n) => {
      const shader = this.program(level, `${kind}${part.first}`, () => write(part));
      this.pass(shader, target.frames[n], [0, 0, texelsOf(width), height], textures,
        { layer: ["1i", part.layer], channel: ["1i", part.channel] }, level.size);
    });
  }

  asCells(level) {
    if (level.newest !== "words") return;
    level.blocks.forEach((block, b) => {
      const shader = this.program(block, "unpack",
        () => unpackShader(level, block.first, block.count));
      this.pass(shader, level.now.frames[b], null, { words: level.words.texture }, {}, level.size);
    });
    level.newest = "both";
  }

  seen(place) {
    this.asCells(this.levels[place]);
    return super.seen(place);
  }

  read(place) {
    this.asCells(this.levels[place]);
    return super.read(place);
  }

  touch(level, mode, where) {
    this.asCells(level);
    super.touch(level, mode, where);
    level.newest = "cells";
  }

  write(place, numbers, target = this.levels[place].now) {
    super.write(place, numbers, target);
    if (target === this.levels[place].now) this.levels[place].newest = "cells";
  }

  free() {
    const gl = this.gl;
    for (const level of this.levels) {
      if (!level.bits) continue;
      for (const { texture, frames } of [level.words, level.spareWords]) {
        gl.deleteTexture(texture);
        frames.forEach((frame) => gl.deleteFramebuffer(frame));
      }
      for (const { program } of Object.values(level.programs)) gl.deleteProgram(program);
    }
    super.free();
  }
}
