// Levels of another resolution: each way to read one in the grid of another is a shader, and what it
// draws is a texture like that of a level. Rules name levels first, and then these.

// what a group of channels of a cell is; r: cells of the finer level for one of the coarser
const WAYS = {
  mean: ({ factor: r }) => `vec4 sum = vec4(0.0);
  for (int n = 0; n < ${r * r}; ++n)
    sum += texelFetch(level, ivec3(here * ${r} + ivec2(n % ${r}, n / ${r}), group), 0);
  return sum / ${literal(r * r)};`,
  max: ({ factor: r }) => `vec4 most = texelFetch(level, ivec3(here * ${r}, group), 0);
  for (int n = 1; n < ${r * r}; ++n)
    most = max(most, texelFetch(level, ivec3(here * ${r} + ivec2(n % ${r}, n / ${r}), group), 0));
  return most;`,
  // all cells of a block for channel 0, then for channel 1
  stack: ({ factor: r, channels }) => `vec4 found = vec4(0.0);
  for (int c = 0; c < 4; ++c) {
    int k = group * 4 + c, from = k / ${r * r}, n = k % ${r * r};
    if (k < ${channels}) found[c] = texelFetch(level,
      ivec3(here * ${r} + ivec2(n % ${r}, n / ${r}), from >> 2), 0)[from & 3];
  }
  return found;`,
  nearest: ({ factor: r }) => `return texelFetch(level, ivec3(here / ${r}, group), 0);`,
  // linear along each axis, between the centres of the cells
  bilinear: ({ factor: r }) => `ivec2 own = here / ${r};
  vec2 away = (vec2(here - own * ${r}) + 0.5) / ${literal(r)} - 0.5;
  ivec2 by = ivec2(sign(away));
  away = abs(away);
  return mix(mix(at(level, own, group), at(level, own + ivec2(by.x, 0), group), away.x),
    mix(at(level, own + ivec2(0, by.y), group), at(level, own + by, group), away.x), away.y);`,
};

function readingShader(plan, reading, first, count) {
  return `${HEAD}uniform sampler2DArray level;\n${outputs(count)}${neighbourhood(plan)}
vec4 seen(ivec2 here, int group) {
  ${WAYS[reading.way](reading)}
}
void main() {
  ivec2 here = ivec2(gl_FragCoord.xy);
  ${[...Array(count).keys()].map((o) => `out${o} = seen(here, ${first + o});`).join(" ")}
}`;
}

// what holds of any finer cell that one covers, or of the coarser cell that covers it
function livingAcross(plan, scale, holds) {
  const own = plan.levels[plan.alive.level].scale, r = scale / own;
  if (r <= 1) return `bool living(ivec2 here) { return ${holds(`here / ${own / scale}`)}; }\n`;
  return `bool living(ivec2 here) {
  for (int n = 0; n < ${r * r}; ++n) {
    ivec2 there = here * ${r} + ivec2(n % ${r}, n / ${r});
    if (${holds("there")}) return true;
  }
  return false;
}
`;
}
