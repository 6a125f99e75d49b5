// Write the shaders of an automaton from its plan. Four channels make a group, and a texel.

const WIDE = 512; // texels in a row of the weights' texture
const groupsOf = (channels) => Math.ceil(channels / 4);
// a level, or what is read of one in the grid of another
const sourceOf = (plan, number) =>
  plan.levels[number] || plan.readings[number - plan.levels.length];
const literal = (number) => (/[.e]/.test(String(number)) ? String(number) : `${number}.0`);

const ACTIVATIONS = {
  none: "x",
  relu: "max(x, 0.0)",
  tanh: "tanh(clamp(x, -10.0, 10.0))",
  sine: "sin(x)",
  silu: "x / (1.0 + exp(-x))",
  gelu: "0.5 * x * (1.0 + erf(x * 0.7071067811865476))",
};

const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(vec2(gl_VertexID & 1, gl_VertexID >> 1) * 4.0 - 1.0, 0.0, 1.0);
}`;

const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp sampler2DArray;
uniform sampler2D weights;
uniform ivec2 size;
vec4 w(int i) { return texelFetch(weights, ivec2(i & ${WIDE - 1}, i / ${WIDE}), 0); }
vec4 erf(vec4 x) { // Abramowitz and Stegun 7.1.26, within 1.5e-7
  vec4 t = 1.0 / (1.0 + 0.3275911 * abs(x));
  vec4 y = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t
    + 0.254829592) * t * exp(-x * x);
  return sign(x) * (1.0 - y);
}
`;

// where a place beyond the edge leads, along one axis of so many cells
const BEYOND = {
  torus: (laps) => `(p + side * ${laps}) % side`,
  zeros: () => "p < 0 || p >= side ? -1 : p",
  replicate: () => "clamp(p, 0, side - 1)",
  reflect: (laps) =>
    `clamp(min((p + max(2 * side - 2, 1) * ${laps}) % max(2 * side - 2, 1),
      max(2 * side - 2, 1) - (p + max(2 * side - 2, 1) * ${laps})
      % max(2 * side - 2, 1)), 0, side - 1)`,
};

function reach(plan) {
  const terms = plan.levels.flatMap((level) => level.terms);
  const kernels = terms.flatMap((term) => (term.sights || []).flatMap((sight) => sight.kernel));
  return Math.max(1, plan.alive ? plan.alive.radius : 0, ...kernels.map((side) => side >> 1),
    ...terms.map((term) => term.radius || 0));
}

function neighbourhood(plan) {
  const along = (axis, name) =>
    `int ${name}(int p, int side) { return ${BEYOND[plan.boundaries[axis]](reach(plan))}; }\n`;
  return `${along(0, "row")}${along(1, "column")}
vec4 at(sampler2DArray level, ivec2 p, int group) {
  ivec2 sides = textureSize(level, 0).xy;
  int x = column(p.x, sides.x), y = row(p.y, sides.y);
  return x < 0 || y < 0 ? vec4(0.0) : texelFetch(level, ivec3(x, y, group), 0);
}
`;
}

function lives(plan) {
  const { channel, above, radius } = plan.alive;
  return `bool lives(sampler2DArray level, ivec2 here) {
  float most = at(level, here, ${channel >> 2})[${channel & 3}];
  for (int dy = -${radius}; dy <= ${radius}; ++dy)
    for (int dx = -${radius}; dx <= ${radius}; ++dx)
      most = max(most, at(level, here + ivec2(dx, dy), ${channel >> 2})[${channel & 3}]);
  return most > ${literal(above)};
}
`;
}

// whether something holds of a cell of the level that tells life, as the cells of a scale read it
const living = (plan, scale, holds) => scale === plan.levels[plan.alive.level].scale
  ? `bool living(ivec2 here) { return ${holds("here")}; }\n` : livingAcross(plan, scale, holds);

// four inputs of a layer, to one group of outputs
const product = (k, u) =>
  `w(${k}) * ${u}.x + w(${k} + 1) * ${u}.y + w(${k} + 2) * ${u}.z + w(${k} + 3) * ${u}.w`;

function seen(sight, plan, stencil) {
  const [high, wide] = sight.kernel, count = high * wide;
  const source = sourceOf(plan, sight.level), many = groupsOf(source.channels);
  const shift = `ivec2(n % ${wide} - ${wide >> 1}, n / ${wide} - ${high >> 1})`;
  const fetch = `vec4 u = at(level${sight.level}, here + ${shift}, g);`;
  if (sight.kind === "stencils") {
    const kernels = sight.stencils.map((_, k) => k), [begin, ...rest] = sight.length;
    const add = kernels.map((k) => `s${k} += ${stencil}[${k * count} + n] * u;`).join(" ");
    // of those that count by their length the first stands for all
    const length = `sqrt(${sight.length.map((k) => `s${k} * s${k} + `).join("")}1e-8)`;
    const keep = kernels.filter((k) => !rest.includes(k))
      .map((k, j) => `p[${j * many} + g] += ${k === begin ? length : `s${k}`};`).join(" ");
    return `for (int g = 0; g < ${many}; ++g) {
    vec4 ${kernels.map((k) => `s${k} = vec4(0.0)`).join(", ")};
    for (int n = 0; n < ${count}; ++n) { ${fetch} ${add} }
    ${keep} }\n`;
  }
  const bend = sight.bound === null ? "" : `u = ${literal(sight.bound)}
      * tanh(clamp(u / ${literal(sight.bound)}, -10.0, 10.0));`;
  return `for (int n = 0; n < ${count}; ++n)
    for (int g = 0; g < ${many}; ++g) {
      ${fetch} ${bend}
      int k = ${sight.at} + (n * ${many} + g) * WIDTH * 4;
      for (int j = 0; j < WIDTH; ++j, k += 4) p[j] += ${product("k", "u")};
    }\n`;
}

// perception into p, then all layers; the last is added to the changes of one block of groups
function net(term, plan, stencil, first, count) {
  const width = groupsOf(term.width), layers = term.layers;
  let text = `vec4 p[${width}];
  for (int j = 0; j < ${width}; ++j) p[j] = w(${term.bias} + j);\n`;
  for (const sight of term.sights)
    text += seen(sight, plan, stencil).replaceAll("WIDTH", String(width));
  let inputs = width, vector = "p";
  const bent = (layer, name) => ACTIVATIONS[layer.activation].replaceAll(/\bx\b/g, name);
  const bend = (layer) => layer.activation === "none" ? "" : `for (int i = 0; i < ${inputs}; ++i) {
    vec4 x = ${vector}[i]; ${vector}[i] = ${bent(layer, "x")}; }\n`;
  const into = (layer, group) => `int k = ${layer.at} + (${group}) * ${inputs * 4};
    for (int i = 0; i < ${inputs}; ++i, k += 4) sum += ${product("k", `${vector}[i]`)};`;
  layers.slice(0, -2).forEach((layer, number) => {
    const outputs = groupsOf(layer.outputs), name = `q${number}`;
    text += `${bend(layer)}vec4 ${name}[${outputs}];
    for (int j = 0; j < ${outputs}; ++j) {
      vec4 sum = w(${layer.bias} + j); ${into(layer, "j")} ${name}[j] = sum; }\n`;
    [inputs, vector] = [outputs, name];
  });
  const last = layers[layers.length - 1];
  text += `for (int o = 0; o < ${count}; ++o) change[o] += w(${last.bias + first} + o);\n`;
  if (layers.length === 1)
    return `${text}${bend(last)}for (int o = 0; o < ${count}; ++o) {
      vec4 sum = vec4(0.0); ${into(last, `${first} + o`)} change[o] += sum; }\n`;
  // the last hidden layer is not kept: each group of units is used up as it comes
  const hidden = layers[layers.length - 2], units = groupsOf(hidden.outputs);
  return `${text}${bend(hidden)}for (int j = 0; j < ${units}; ++j) {
    vec4 sum = w(${hidden.bias} + j); ${into(hidden, "j")}
    vec4 u = ${bent(last, "sum")};
    for (int o = 0; o < ${count}; ++o) {
      int m = ${last.at} + (${first} + o) * ${units * 4} + j * 4;
      change[o] += ${product("m", "u")}; } }\n`;
}

// the mean of the neighbours, weighed by how much they agree, gathered in one go
function consensus(term, plan, number, first, count) {
  const side = 2 * term.radius + 1, middle = (side * side - 1) / 2;
  const many = (level) => groupsOf(sourceOf(plan, level).channels);
  const long = (square) => `sqrt(${square} + ${literal(term.tiny ** 2)})`;
  const known = term.levels.map((level, h) => `vec4 mine${h}[${many(level)}]; float long${h} = 0.0;
  for (int g = 0; g < ${many(level)}; ++g) { mine${h}[g] = at(level${level}, here, g);
    long${h} += dot(mine${h}[g], mine${h}[g]); }\n`).join("");
  const agreed = term.levels.map((level, h) => `float dot${h} = 0.0, square${h} = 0.0;
    for (int g = 0; g < ${many(level)}; ++g) { vec4 u = at(level${level}, there, g);
      dot${h} += dot(u, mine${h}[g]); square${h} += dot(u, u); }
    energy += ${literal(term.factors[h])} * dot${h}${term.cosine
      ? ` / (${long(`square${h}`)} * ${long(`long${h}`)})` : ""};\n`).join("");
  return `${known}
  float most = -3.0e38, total = 0.0; vec4 mean[${count}];
  for (int o = 0; o < ${count}; ++o) mean[o] = vec4(0.0);
  for (int n = 0; n < ${side * side}; ++n) {
    ivec2 there = here + ivec2(n % ${side} - ${term.radius}, n / ${side} - ${term.radius});
    if (column(there.x, size.x) < 0 || row(there.y, size.y) < 0${term.itself ? "" : ` || n == ${middle}`}) continue;
    float energy = 0.0;
    ${agreed}
    energy *= ${literal(term.sharpness)};
    float higher = max(most, energy), kept = exp(most - higher), weight = exp(energy - higher);
    total = total * kept + weight;
    for (int o = 0; o < ${count}; ++o)
      mean[o] = mean[o] * kept + weight * at(level${number}, there, ${first} + o);
    most = higher;
  }
  if (total > 0.0) for (int o = 0; o < ${count}; ++o)
    change[o] += ${literal(term.rate)} * (mean[o] / total - own[o]);\n`;
}

function outputs(count) {
  return [...Array(count).keys()]
    .map((o) => `layout(location = ${o}) out vec4 out${o};\n`).join("");
}

const samplers = (numbers) =>
  [...new Set(numbers)].map((n) => `uniform sampler2DArray level${n};\n`).join("");

// let one step pass for some groups of a level
function stepShader(plan, number, first, count) {
  const level = plan.levels[number], alive = plan.alive;
  const read = [number, ...level.terms.flatMap((term) =>
    term.levels || (term.sights || []).map((sight) => sight.level))];
  if (alive) read.push(alive.level);
  let stencils = "", body = "";
  level.terms.forEach((term, place) => {
    const name = `stencil${place}`;
    const sight = (term.sights || []).find((s) => s.kind === "stencils");
    if (sight) stencils += `uniform float ${name}[${sight.stencils.flat().length}];\n`;
    if (term.kind === "table") stencils += stateShader(term, `state${place}`);
    body += `{ ${term.kind === "net" ? net(term, plan, name, first, count)
      : term.kind === "consensus" ? consensus(term, plan, number, first, count)
      : term.kind === "table" ? tableChange(term, plan, number, first, count, place)
      : term.kind === "gates" ? gatesChange(term, plan, number, first, count)
      : `for (int o = 0; o < ${count}; ++o) change[o] -= ${literal(term.rate)} * own[o];`} }\n`;
  });
  if (plan.stepSize !== 1)
    body += `for (int o = 0; o < ${count}; ++o) change[o] *= ${literal(plan.stepSize)};\n`;
  if (level.noise.length) {
    const draw = level.noise.length === 3 ? "normally(noiseKeys," : "uniformly(noiseKeys.x,";
    body += `for (int o = 0; o < ${count}; ++o) for (int c = 0; c < 4; ++c) {
      int channel = (${first} + o) * 4 + c;
      if (channel < ${level.channels})
        change[o][c] += ${literal(plan.noise.scale)} * ${draw} uint(channel), cell); }\n`;
  }
  const kept = alive && alive.dead === "frozen" ? " && living(here)" : "";
  return `${HEAD}${samplers(read)}${stencils}${outputs(count)}
uniform uvec3 noiseKeys;
uniform uint fireKey, fireBelow;
${NOISE_GLSL}${neighbourhood(plan)}${alive ? lives(plan)
    + living(plan, level.scale, (cell) => `lives(level${alive.level}, ${cell})`) : ""}
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  uint cell = uint(here.y * size.x + here.x);
  vec4 own[${count}], change[${count}];
  for (int o = 0; o < ${count}; ++o) {
    own[o] = texelFetch(level${number}, ivec3(here, ${first} + o), 0); change[o] = vec4(0.0); }
  if ((absorb(fireKey, cell) >> 8) < fireBelow${kept}) {
  ${body}
  } else for (int o = 0; o < ${count}; ++o) change[o] = vec4(0.0);
  ${[...Array(count).keys()].map((o) => `out${o} = own[${o}] + change[${o}];`).join(" ")}
}`;
}

// clear cells that do not live both before and after the step
function clearShader(plan, number, first, count) {
  return `${HEAD}uniform sampler2DArray own, before, after;\n${outputs(count)}
${neighbourhood(plan)}${lives(plan)}${living(plan, plan.levels[number].scale,
    (cell) => `lives(before, ${cell}) && lives(after, ${cell})`)}
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  bool kept = living(here);
  ${[...Array(count).keys()].map((o) =>
    `out${o} = kept ? texelFetch(own, ivec3(here, ${first + o}), 0) : vec4(0.0);`).join(" ")}
}`;
}

// empty a disc of a level (mode 0), or set the first state into it, moved by some cells (mode 1)
function touchShader(first, count, groups, scale) {
  return `${HEAD}uniform sampler2DArray own, seed;
uniform vec2 centre; uniform float radius; uniform int mode; uniform ivec2 shift;
${outputs(count)}
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  vec2 away = abs((vec2(here) + 0.5) * ${literal(scale)} - centre);
  away = min(away, vec2(size * ${scale}) - away);
  bool inside = dot(away, away) <= radius * radius;
  ivec2 origin = ((here - shift) % size + size) % size;
  bool sown = false;
  if (mode == 1) for (int g = 0; g < ${groups}; ++g)
    sown = sown || texelFetch(seed, ivec3(origin, g), 0) != vec4(0.0);
  ${[...Array(count).keys()].map((o) => `{
    vec4 old = texelFetch(own, ivec3(here, ${first + o}), 0);
    out${o} = mode == 0 ? (inside ? vec4(0.0) : old)
      : (sown ? texelFetch(seed, ivec3(origin, ${first + o}), 0) : old); }`).join("\n")}
}`;
}
