// Write the shaders that make cells visible: a colour for each cell, then pixels for each colour.

// what the cells of a view look like: colour, and in alpha how opaque, or which class
function lookShader(plan, view) {
  const many = groupsOf(plan.levels[view.level].channels);
  const fetch = `vec4 u[${many}];
  for (int g = 0; g < ${many}; ++g) u[g] = texelFetch(level, ivec3(here, g), 0);`;
  const channel = (c) => `u[${c >> 2}][${c & 3}]`;
  let body = "";
  if (view.kind === "colours") {
    const alpha = view.alpha === null ? "1.0" : `clamp(${channel(view.alpha)}, 0.0, 1.0)`;
    body = `colour = vec4(vec3(${view.channels.map(channel).join(", ")})
      + ${literal(view.shift)}, ${alpha});`;
  } else if (view.kind === "classes") {
    const total = groupsOf(view.classes);
    body = `int chosen = 0; float most = -3.0e38;
  for (int j = 0; j < ${total}; ++j) {
    vec4 sum = w(${view.bias} + j); int k = ${view.at} + j * ${many * 4};
    for (int i = 0; i < ${many}; ++i, k += 4) sum += ${product("k", "u[i]")};
    for (int c = 0; c < 4; ++c) if (j * 4 + c < ${view.classes} && sum[c] > most) {
      most = sum[c]; chosen = j * 4 + c; }
  }
  colour = vec4(w(palette + chosen).rgb, float(chosen) / 255.0);`;
  } else if (view.kind === "mapped") {
    body = `float share = (${channel(view.channel)} - ${literal(view.low)}) / ${literal(view.high - view.low)};
  int shade = int(clamp(share, 0.0, 1.0) * ${literal(view.shades - 1)} + 0.5);
  colour = vec4(w(palette + shade).rgb, 1.0);`;
  } else if (view.kind === "states") {
    body = `int chosen = int(clamp(${channel(view.channel)}, 0.0, ${literal(view.states - 1)}) + 0.5);
  colour = vec4(w(palette + chosen).rgb, 1.0);`;
  } else if (view.kind === "drawn") {
    body = "colour = vec4(0.0, 0.0, 0.0, 1.0);"; // its pixels are finer than cells
  } else {
    body = `vec4 sum = vec4(0.0); int k = ${view.at};
  for (int i = 0; i < ${many}; ++i, k += 4) sum += ${product("k", "u[i]")};
  colour = vec4(0.5 + (sum.rgb - middle) / (5.0 * spread), 1.0);`;
  }
  return `${HEAD}uniform sampler2DArray level; uniform vec3 middle, spread; uniform int palette;
layout(location = 0) out vec4 colour;
void main() { ivec2 here = ivec2(gl_FragCoord.xy); ${fetch} ${body} }`;
}

// enlarge the cells of a view to pixels: under classes, as strong as the ink that was drawn; or
// show what was drawn itself
function showShader(plan) {
  const pen = plan.drawing;
  const ink = pen ? `float pixel(vec2 cell, int hue) {
  ivec2 place = ivec2(fract(cell) * ${literal(pen.patch)});
  int channel = (hue * ${pen.patch} + place.y) * ${pen.patch} + place.x;
  float value = texelFetch(drawn, ivec3(ivec2(cell), channel >> 2), 0)[channel & 3];
  return clamp(value * ${literal(pen.deviation)} + ${literal(pen.mean)}, 0.0, 1.0); }
vec3 pixels(vec2 cell) {
  return vec3(pixel(cell, 0)${[1, 2].map((hue) => `, pixel(cell, ${hue % pen.colours})`).join("")}); }
` : "vec3 pixels(vec2 cell) { return vec3(1.0); }\n";
  return `${HEAD}uniform sampler2DArray drawn; uniform sampler2D look;
uniform vec2 corner, extent; uniform vec3 paper; uniform int mode, scale; uniform float least;
layout(location = 0) out vec4 colour;
${ink}void main() {
  vec2 at = (gl_FragCoord.xy - corner) / extent;
  vec2 cell = clamp(vec2(at.x, 1.0 - at.y), 0.0, 0.999999) * vec2(size);
  ${plan.hexagonal ? `cell.x = mod(cell.x + floor(cell.y) * ${literal(MOVE)}, float(size.x));` : ""}
  vec4 seen = texelFetch(look, ivec2(cell) / scale, 0);
  vec3 drawing = pixels(cell);
  float dark = max(drawing.r, max(drawing.g, drawing.b));
  float strength = dark > least || least < 0.0 ? 0.25 + 0.75 * dark : 0.0;
  colour = vec4(mode == 0 ? seen.rgb + (1.0 - seen.a) * paper
    : mode == 1 ? mix(paper, seen.rgb, strength) : mode == 3 ? drawing : seen.rgb, 1.0);
}`;
}
