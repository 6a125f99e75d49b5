// Write the shaders of tables of successors and of networks of logic gates.

// the state that a number stands for, as a whole number from 0
function stateShader(term, name) {
  return term.states === 2 ? `int ${name}(float x) { return x > 0.5 ? 1 : 0; }\n`
    : `int ${name}(float x) {
  return x == x ? int(roundEven(clamp(x, 0.0, ${literal(term.states - 1)}))) : 0; }\n`;
}

// each channel is a world of its own: its state and the weights of those that count are looked up
function tableChange(term, plan, number, first, count, place) {
  const channels = plan.levels[number].channels;
  const counts = term.counted.map((state) => `s == ${state}`).join(" || ") || "false";
  return `for (int o = 0; o < ${count}; ++o) {
    ivec4 column = ivec4(0);
    for (int n = 0; n < ${term.count}; ++n) {
      vec4 there = w(${term.seen} + n);
      vec4 u = at(level${number}, here + ivec2(there.xy), ${first} + o);
      for (int c = 0; c < 4; ++c) {
        int s = state${place}(u[c]);
        if (${counts}) column[c] += int(there.z);
      }
    }
    for (int c = 0; c < 4; ++c) if ((${first} + o) * 4 + c < ${channels}) {
      int k = state${place}(own[o][c]) * ${term.columns} + column[c];
      change[o][c] += w(${term.successors} + (k >> 2))[k & 3] - own[o][c];
    }
  }\n`;
}

// a line for each gate; the bits that a cell sees are the first wires
function gatesChange(term, plan, number, first, count) {
  const { channels } = plan.levels[number], many = groupsOf(channels);
  const bits = term.offsets.length * channels;
  const seen = term.offsets.flatMap(([down, across], n) => [...Array(many).keys()].map((g) =>
    `vec4 s${n}_${g} = at(level${number}, here + ivec2(${across}, ${down}), ${g});`));
  const wire = (k) => {
    const c = k % channels;
    return k < bits ? `s${Math.floor(k / channels)}_${c >> 2}[${c & 3}]` : `g${k - bits}`;
  };
  const lines = term.factors.map(([none, left, right, both], gate) => {
    const [a, b] = [wire(term.first[gate]), wire(term.second[gate])];
    const parts = [[none, ""], [left, ` * ${a}`], [right, ` * ${b}`], [both, ` * ${a} * ${b}`]];
    const kept = parts.filter(([factor]) => factor !== 0)
      .map(([factor, by]) => `(${literal(factor)})${by}`);
    return `float g${gate} = ${kept.join(" + ") || "0.0"};`;
  });
  const begin = term.factors.length - channels;
  const changes = [...Array(Math.min(4 * count, channels - 4 * first)).keys()].map((c) =>
    `change[${c >> 2}][${c & 3}] += g${begin + 4 * first + c} - own[${c >> 2}][${c & 3}];`);
  return [...seen, ...lines, ...changes, ""].join("\n");
}
