// Let steps pass on the processor, by the operations of a graph: any rule, no card, less speed.

// what depends on shapes alone, and all that follows from such, is computed once for a size
class Graph {
  constructor(plan) {
    const numbers = numbersOf(plan.numbers);
    this.plan = plan;
    this.values = new Array(plan.values);
    this.fixed = new Set();
    for (const [place, kind, shape, given] of plan.constants) {
      const data = kind === "number" ? numbers.subarray(given, given + sizeOf(shape))
        : KINDS[kind].from(given);
      this.values[place] = tensorOf(shape, data);
      this.fixed.add(place);
    }
    this.moving = null;
  }

  // inputs: tensors in the graph's order; each time of the same shapes
  run(inputs) {
    this.plan.inputs.forEach((place, n) => { this.values[place] = inputs[n]; });
    if (this.moving) this.moving.forEach((node) => this.compute(node));
    else this.settle();
    return this.plan.outputs.map((place) => this.values[place]);
  }

  settle() {
    this.moving = this.plan.nodes.filter((node) => {
      const [name, inputs, outputs] = node;
      this.compute(node);
      const still = name === "Shape" || name === "Size"
        || inputs.every((place) => place < 0 || this.fixed.has(place));
      if (still) outputs.forEach((place) => this.fixed.add(place));
      return !still;
    });
  }

  compute([name, inputs, outputs, attributes]) {
    const given = inputs.map((place) => (place < 0 ? undefined : this.values[place]));
    const found = OPERATIONS[name]({ inputs: given, attributes: attributes || {},
      outputs: outputs.length });
    if (Array.isArray(found)) outputs.forEach((place, n) => { this.values[place] = found[n]; });
    else this.values[outputs[0]] = found;
  }
}

// keeps states where the engine does, on the card, to show and touch them; and what was last
// computed or read here as well
class Interpreter extends Engine {
  advance(rate = this.plan.fireRate) {
    const { inputs, outputs } = this.plan.graph;
    this.graph ||= new Graph(this.plan.graph.model);
    const given = inputs.map(([kind, place]) => {
      const level = this.levels[place];
      if (kind === "level") return this.tensor(level, level.channels, this.numbers(place));
      if (kind === "fire") return this.tensor(level, 1, this.mask(level, rate));
      return this.tensor(level, level.channels, this.noise(level));
    });
    this.graph.run(given).forEach(({ data }, n) => {
      this.write(outputs[n], data);
      this.held[outputs[n]] = data;
    });
    this.step += 1;
  }

  tensor({ size }, channels, data) {
    return tensorOf([1, channels, ...size], data);
  }

  numbers(place) {
    return this.held[place] ||= super.read(place);
  }

  key(stream) {
    return absorb(keyOf(this.plan.randomSeed, stream, this.step), this.plan.sample);
  }

  mask(level, rate) {
    const key = absorb(this.key(level.fire), 0), below = Math.round(rate * 2 ** 24);
    return new Float32Array(level.size[0] * level.size[1])
      .map((_, cell) => Number(absorb(key, cell) >>> 8 < below));
  }

  noise(level) {
    const cells = level.size[0] * level.size[1], keys = level.noise.map((s) => this.key(s));
    const draw = keys.length === 3 ? normally : uniformly;
    return new Float32Array(level.channels * cells)
      .map((_, n) => draw(keys, Math.floor(n / cells), n % cells));
  }

  read(place) {
    return Float32Array.from(this.numbers(place));
  }

  write(place, numbers, target = this.levels[place].now) {
    super.write(place, numbers, target);
    this.held ||= []; // the engine writes before this one has begun
    if (target === this.levels[place].now) this.held[place] = null;
  }

  clearDead() {
    super.clearDead();
    this.held = [];
  }

  touch(level, mode, where) {
    super.touch(level, mode, where);
    this.held[this.levels.indexOf(level)] = null;
  }
}
