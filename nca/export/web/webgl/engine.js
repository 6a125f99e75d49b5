// Let steps pass on the graphics card. A level is a texture array, one texel per cell and group.

const numbersOf = (text) => {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
};

class Engine {
  // size: [height, width]; wide numbers where the card can draw into them, else half as wide
  constructor(gl, plan, size, halved = false) {
    this.gl = gl;
    this.plan = plan;
    this.size = size;
    this.angle = 0;
    this.step = plan.step;
    const full = !halved && gl.getExtension("EXT_color_buffer_float");
    if (!full && !gl.getExtension("EXT_color_buffer_half_float")
        && !gl.getExtension("EXT_color_buffer_float"))
      throw new Error("this browser's WebGL2 cannot draw into floating-point textures");
    this.format = full ? gl.RGBA32F : gl.RGBA16F;
    this.exact = Boolean(full);
    this.most = Math.min(gl.getParameter(gl.MAX_DRAW_BUFFERS),
      gl.getParameter(gl.MAX_COLOR_ATTACHMENTS), 8);
    gl.bindVertexArray(gl.createVertexArray());
    this.weights = this.flat(numbersOf(plan.weights));
    this.levels = plan.levels.map((level) => this.makeLevel(level));
    this.readings = plan.readings.map((reading) => this.makeReading(reading));
    this.sow();
  }

  // cards do not blend such wide numbers, and take a texture that asks for it as empty
  texture(kind) {
    const gl = this.gl, texture = gl.createTexture();
    gl.bindTexture(kind, texture);
    gl.texParameteri(kind, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(kind, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    return texture;
  }

  flat(numbers) {
    const gl = this.gl, rows = Math.max(1, Math.ceil(numbers.length / 4 / WIDE));
    const padded = new Float32Array(rows * WIDE * 4);
    padded.set(numbers);
    const texture = this.texture(gl.TEXTURE_2D);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA32F, WIDE, rows);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, WIDE, rows, gl.RGBA, gl.FLOAT, padded);
    return texture;
  }

  makeLevel(level) {
    const made = this.makeReading(level);
    return { ...made, next: this.layers(made), seed: this.layers(made) };
  }

  makeReading(level) {
    const groups = groupsOf(level.channels), blocks = [];
    for (let first = 0; first < groups; first += this.most)
      blocks.push({ first, count: Math.min(this.most, groups - first), programs: {} });
    const made = { ...level, groups, blocks, size: this.size.map((side) => side / level.scale) };
    return { ...made, now: this.layers(made) };
  }

  layers({ groups, blocks, size: [height, width] }) {
    const gl = this.gl, texture = this.texture(gl.TEXTURE_2D_ARRAY);
    gl.texStorage3D(gl.TEXTURE_2D_ARRAY, 1, this.format, width, height, groups);
    return { texture, frames: blocks.map(({ first, count }) => this.frame(texture, first, count)) };
  }

  // draws into some layers of a texture
  frame(texture, first, count) {
    const gl = this.gl, frame = gl.createFramebuffer(), places = [];
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    for (let o = 0; o < count; ++o) {
      places.push(gl.COLOR_ATTACHMENT0 + o);
      gl.framebufferTextureLayer(gl.FRAMEBUFFER, places[o], texture, 0, first + o);
    }
    gl.drawBuffers(places);
    return frame;
  }

  compile(text) {
    const gl = this.gl, program = gl.createProgram();
    for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, text]]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      if (!gl.getShaderParameter(shader, gl.COMPILE_STATUS) && !gl.isContextLost())
        throw new Error(gl.getShaderInfoLog(shader) + source);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
      throw new Error(gl.getProgramInfoLog(program));
    return { program, places: new Map() };
  }

  program(block, kind, write) {
    block.programs[kind] ||= this.compile(write());
    return block.programs[kind];
  }

  // set uniforms and draw: numbers by kind of uniform, textures by name; size: of what is drawn
  pass(shader, frame, view, textures, uniforms = {}, [height, width] = this.size) {
    const gl = this.gl;
    let unit = 0;
    gl.useProgram(shader.program);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.viewport(...(view || [0, 0, width, height]));
    const place = (name) => {
      if (!shader.places.has(name))
        shader.places.set(name, gl.getUniformLocation(shader.program, name));
      return shader.places.get(name);
    };
    gl.uniform2i(place("size"), width, height);
    Object.entries({ weights: this.weights, ...textures }).forEach(([name, texture]) => {
      if (place(name) === null) return;
      gl.activeTexture(gl.TEXTURE0 + unit);
      const flat = name === "weights" || name === "look";
      gl.bindTexture(flat ? gl.TEXTURE_2D : gl.TEXTURE_2D_ARRAY, texture);
      gl.uniform1i(place(name), unit++);
    });
    for (const [name, [kind, value]] of Object.entries(uniforms))
      if (place(name) !== null) gl[`uniform${kind}`](place(name), value);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
  }

  // let one step pass; rate: the chance that a cell fires, the automaton's own unless given
  advance(rate = this.plan.fireRate) {
    const plan = this.plan, alive = plan.alive;
    this.readings.forEach((reading) => this.redraw(reading));
    const old = Object.fromEntries([...this.levels, ...this.readings]
      .map((level, n) => [`level${n}`, level.now.texture]));
    this.levels.forEach((level, number) => {
      if (!level.terms.length && !level.noise.length) return;
      const uniforms = this.drawn(level, rate);
      level.blocks.forEach((block, b) => {
        const shader = this.program(block, "step",
          () => stepShader(plan, number, block.first, block.count));
        this.pass(shader, level.next.frames[b], null, old, uniforms, level.size);
      });
      level.moved = true;
    });
    for (const level of this.levels) {
      if (level.moved) [level.now, level.next] = [level.next, level.now];
    }
    if (alive && alive.dead === "cleared") this.clearDead();
    for (const level of this.levels) level.moved = false;
    this.step += 1;
  }

  // bring a reading of a level to what the level holds now
  redraw(reading) {
    reading.blocks.forEach((block, b) => {
      const shader = this.program(block, "read",
        () => readingShader(this.plan, reading, block.first, block.count));
      this.pass(shader, reading.now.frames[b], null,
        { level: this.levels[reading.level].now.texture }, {}, reading.size);
    });
  }

  drawn(level, rate) {
    const { randomSeed, sample } = this.plan;
    const key = (stream) => absorb(keyOf(randomSeed, stream, this.step), sample);
    const noise = level.noise.map(key);
    const uniforms = {
      fireKey: ["1ui", absorb(key(level.fire), 0)],
      fireBelow: ["1ui", Math.round(rate * 2 ** 24)],
      noiseKeys: ["3uiv", [noise[0] || 0, noise[1] || 0, noise[2] || 0]],
    };
    level.terms.forEach((term, place) => {
      const sight = (term.sights || []).find((s) => s.kind === "stencils");
      if (sight) uniforms[`stencil${place}`] = ["1fv", this.turned(sight)];
    });
    return uniforms;
  }

  turned(sight) {
    const kernels = sight.stencils.map((kernel) => [...kernel]);
    if (sight.slopes && this.angle) {
      const [a, b] = sight.slopes, c = Math.cos(this.angle), s = Math.sin(this.angle);
      kernels[a] = sight.stencils[a].map((v, n) => c * v - s * sight.stencils[b][n]);
      kernels[b] = sight.stencils[a].map((v, n) => s * v + c * sight.stencils[b][n]);
    }
    return kernels.flat();
  }

  // clear the cells that are dead: now, and within a step before it as well, for `next` of a level
  // that has moved holds what was before
  clearDead() {
    if (!this.plan.alive) return;
    const last = this.plan.alive.level, read = this.levels[last];
    const before = read.moved ? read.next : read.now, after = read.now;
    const order = this.levels.map((_, n) => n).filter((n) => n !== last).concat(last);
    for (const number of order) {
      const level = this.levels[number];
      if (level.input) continue;
      level.spare ||= this.layers(level);
      level.blocks.forEach((block, b) => {
        const shader = this.program(block, "clear",
          () => clearShader(this.plan, number, block.first, block.count));
        const textures = { own: level.now.texture, before: before.texture, after: after.texture };
        this.pass(shader, level.spare.frames[b], null, textures, {}, level.size);
      });
      [level.now, level.spare] = [level.spare, level.now];
    }
  }

  // mode 0: empty a disc; mode 1: set the first state in, moved by [dy, dx]; in cells of the grid
  touch(level, mode, { centre = [0, 0], radius = 0, shift = [0, 0] }) {
    level.blocks.forEach((block, b) => {
      const shader = this.program(block, "touch",
        () => touchShader(block.first, block.count, level.groups, level.scale));
      this.pass(shader, level.next.frames[b], null,
        { own: level.now.texture, seed: level.seed.texture },
        { mode: ["1i", mode], radius: ["1f", radius], centre: ["2fv", [centre[1], centre[0]]],
          shift: ["2iv", [shift[1], shift[0]].map((by) => Math.floor(by / level.scale))] },
        level.size);
    });
    [level.now, level.next] = [level.next, level.now];
  }

  // empty what lies in a disc, on all levels but the input
  empty(centre, radius) {
    for (const level of this.levels) if (!level.input) this.touch(level, 0, { centre, radius });
  }

  // numbers: channel by channel, row by row
  write(place, numbers, target = this.levels[place].now) {
    const gl = this.gl, level = this.levels[place], [height, width] = level.size;
    const cells = height * width, texels = new Float32Array(level.groups * cells * 4);
    for (let c = 0; c < level.channels; ++c)
      for (let n = 0; n < cells; ++n)
        texels[((c >> 2) * cells + n) * 4 + (c & 3)] = numbers[c * cells + n];
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, target.texture);
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, 0, width, height, level.groups,
      gl.RGBA, gl.FLOAT, texels);
  }

  // the texture that holds a level's cells now
  seen(place) {
    return this.levels[place].now.texture;
  }

  read(place) {
    const gl = this.gl, level = this.levels[place], [height, width] = level.size;
    const cells = height * width, numbers = new Float32Array(level.channels * cells);
    const texels = new Float32Array(cells * 4);
    level.blocks.forEach(({ first, count }, b) => {
      gl.bindFramebuffer(gl.FRAMEBUFFER, level.now.frames[b]);
      for (let o = 0; o < count; ++o) {
        gl.readBuffer(gl.COLOR_ATTACHMENT0 + o);
        gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, texels);
        for (let c = (first + o) * 4; c < Math.min(level.channels, (first + o + 1) * 4); ++c)
          for (let n = 0; n < cells; ++n) numbers[c * cells + n] = texels[n * 4 + (c & 3)];
      }
      gl.readBuffer(gl.COLOR_ATTACHMENT0);
    });
    return numbers;
  }

  // where the first state lies on a grid of another size: in its middle, by the coarsest cells
  get offset() {
    const coarsest = Math.max(...this.levels.map((level) => level.scale));
    return this.size.map((side, axis) =>
      Math.floor(((side >> 1) - (this.plan.size[axis] >> 1)) / coarsest) * coarsest);
  }

  // the first state, in the middle of the grid; a grid of another size repeats what is everywhere
  firstOf(level) {
    const [height, width] = level.size;
    const [high, wide] = this.plan.size.map((side) => side / level.scale);
    const numbers = new Float32Array(level.channels * height * width);
    if (!level.first) return numbers;
    const given = numbersOf(level.first.numbers), cells = level.first.cells;
    const put = (y, x, row) => {
      for (let c = 0; c < level.channels; ++c)
        numbers[(c * height + y) * width + x] = given[row * level.channels + c];
    };
    if (cells) {
      const [down, across] = this.offset.map((by) => by / level.scale);
      cells.forEach((cell, row) => {
        const y = Math.floor(cell / wide) + down, x = (cell % wide) + across;
        if (y >= 0 && y < height && x >= 0 && x < width) put(y, x, row);
      });
    } else {
      for (let y = 0; y < height; ++y)
        for (let x = 0; x < width; ++x) put(y, x, (y % high) * wide + (x % wide));
    }
    return numbers;
  }

  // begin anew; input levels keep what they hold unless all is asked for
  sow(all = true) {
    this.levels.forEach((level, place) => {
      const numbers = this.firstOf(level);
      this.write(place, numbers, level.seed);
      if (all || !level.input) this.write(place, numbers);
    });
    this.step = this.plan.step;
  }

  free() {
    const gl = this.gl;
    for (const level of [...this.levels, ...this.readings]) {
      for (const layers of [level.now, level.next, level.seed, level.spare]) {
        if (!layers) continue;
        gl.deleteTexture(layers.texture);
        layers.frames.forEach((frame) => gl.deleteFramebuffer(frame));
      }
      for (const block of level.blocks)
        for (const { program } of Object.values(block.programs)) gl.deleteProgram(program);
    }
    gl.deleteTexture(this.weights);
  }
}

// what computes a page's steps
const engineOf = (plan) => (plan.graph ? Interpreter
  : plan.levels.some((level) => level.bits) ? BitEngine : Engine);

// Take the steps that torch has taken: from its states, of all cells, or as they fire.
function runTrials(gl, plan, { size, trials }, halved = false) {
  const Kind = engineOf(plan);
  const engine = new Kind(gl, plan, size, halved);
  const found = trials.map((given) => {
    given.levels.forEach((numbers, place) => engine.write(place, numbersOf(numbers)));
    engine.step = given.step;
    for (let n = 0; n < given.steps; ++n) engine.advance(given.all ? 1 : plan.fireRate);
    return plan.levels.map((_, place) => {
      const bytes = new Uint8Array(engine.read(place).buffer);
      let text = "";
      for (let n = 0; n < bytes.length; n += 0x8000)
        text += String.fromCharCode(...bytes.subarray(n, n + 0x8000));
      return btoa(text);
    });
  });
  const { exact } = engine;
  engine.free();
  return { exact, found };
}
