// The canvas: what the cells look like, and what a hand can do to them.

class Stage {
  constructor(canvas, plan, size) {
    this.canvas = canvas;
    this.plan = plan;
    this.size = size;
    this.gl = canvas.getContext("webgl2", { antialias: false, alpha: false });
    if (!this.gl) throw new Error("this browser has no WebGL2");
    this.engine = new (engineOf(plan))(this.gl, plan, size);
    this.looks = plan.views.map((view) => this.makeLook(view));
    this.shown = this.engine.compile(showShader(plan));
    this.pixels = this.blank();
    this.seeds = this.engine.levels.filter((l) => !l.input && l.first && l.first.cells);
  }

  get patch() {
    return this.plan.drawing ? this.plan.drawing.patch : 1;
  }

  // numbers of a pixel; all pixels of one colour come before those of the next
  get colours() {
    return this.plan.drawing ? this.plan.drawing.colours : 1;
  }

  get theme() {
    return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  }

  blank() {
    return new Float32Array(this.colours * this.size[0] * this.size[1] * this.patch ** 2);
  }

  makeLook(view) {
    const gl = this.gl, { size } = this.engine.levels[view.level], [height, width] = size;
    const texture = this.engine.texture(gl.TEXTURE_2D), frame = gl.createFramebuffer();
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    const axes = view.kind === "principal" ? numbersOf(view.axes) : null;
    return { texture, frame, size, axes, middle: null, spread: null,
      shader: this.engine.compile(lookShader(this.plan, view)) };
  }

  // bring the colours of a level to where its cells are now, at once or little by little
  adapt(number, share) {
    const look = this.looks[number], view = this.plan.views[number];
    if (!look.axes) return;
    const numbers = this.engine.read(view.level), cells = look.size[0] * look.size[1];
    const channels = look.axes.length / 3, middle = [], spread = [];
    for (let axis = 0; axis < 3; ++axis) {
      let sum = 0, squares = 0;
      for (let n = 0; n < cells; ++n) {
        let along = 0;
        for (let c = 0; c < channels; ++c)
          along += look.axes[axis * channels + c] * numbers[c * cells + n];
        sum += along;
        squares += along * along;
      }
      middle.push(sum / cells);
      spread.push(Math.sqrt(Math.max(squares / cells - (sum / cells) ** 2, 1e-12)));
    }
    const mixed = (old, now) => old ? old.map((v, n) => v + share * (now[n] - v)) : now;
    [look.middle, look.spread] = [mixed(look.middle, middle), mixed(look.spread, spread)];
  }

  // fill as much of a square of so many css pixels as whole pixels per cell can
  fit(room) {
    const ratio = window.devicePixelRatio || 1, [height, width] = this.size;
    const scale = Math.max(this.patch, Math.floor(room * ratio / Math.max(height, width)));
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    this.canvas.style.width = `${width * scale / ratio}px`;
    this.canvas.style.height = `${height * scale / ratio * (this.plan.hexagonal ? FLAT : 1)}px`;
  }

  // where a point lies, in cells, from shares of the picture; beyond the edge where rows are moved
  place([across, down]) {
    const [height, width] = this.size;
    return this.plan.hexagonal ? cellUnder([across, down], this.size)
      : [down * height, across * width];
  }

  look(number) {
    const view = this.plan.views[number], look = this.looks[number];
    const level = this.engine.seen(view.level);
    if (look.axes && !look.middle) this.adapt(number, 1);
    this.engine.pass(look.shader, look.frame, null, { level }, {
      ...(look.axes && { middle: ["3fv", look.middle], spread: ["3fv", look.spread] }),
      ...(view.palettes && { palette: ["1i", view.palettes[this.theme]] }),
    }, look.size);
    return view;
  }

  // a view, into some rectangle of the canvas: x, y from below, width, height
  draw(number, paper, box = [0, 0, this.canvas.width, this.canvas.height]) {
    const view = this.look(number), pen = this.plan.drawing;
    const textures = { look: this.looks[number].texture };
    if (pen) textures.drawn = this.engine.seen(pen.level);
    const mode = view.kind === "colours" ? 0 : view.kind === "classes" && pen ? 1
      : view.kind === "drawn" ? 3 : 2;
    this.engine.pass(this.shown, null, box, textures, {
      corner: ["2fv", box.slice(0, 2)], extent: ["2fv", box.slice(2)], paper: ["3fv", paper],
      mode: ["1i", mode], least: ["1f", view.voters === "inked" ? view.ink : -1],
      scale: ["1i", this.plan.levels[view.level].scale],
    });
  }

  // a view, small, onto another canvas
  copy(number, paper, target) {
    const [height, width] = this.size, fine = this.patch;
    const [w, h] = [width * fine, height * fine];
    this.draw(number, paper, [0, 0, w, h]);
    if (target.width !== w || target.height !== h) [target.width, target.height] = [w, h];
    target.getContext("2d").drawImage(this.canvas, 0, this.canvas.height - h, w, h, 0, 0, w, h);
  }

  // how many cells of the grid choose each class, and how many at all; a coarse cell for all of its
  votes(number) {
    const gl = this.gl, view = this.look(number), [high, wide] = this.looks[number].size;
    const [height, width] = this.size, by = width / wide;
    const seen = new Uint8Array(high * wide * 4), counts = new Array(view.classes).fill(0);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.looks[number].frame);
    gl.readPixels(0, 0, wide, high, gl.RGBA, gl.UNSIGNED_BYTE, seen);
    let voters = 0;
    for (let n = 0; n < height * width; ++n) {
      const [y, x] = [Math.floor(n / width / by), Math.floor((n % width) / by)];
      const chosen = seen[(y * wide + x) * 4 + 3];
      if (view.voters === "inked" && this.darkest(n) <= view.ink) continue;
      if (chosen === view.silent) continue;
      counts[chosen] += 1;
      voters += 1;
    }
    return { counts, voters };
  }

  darkest(cell) {
    const [height, width] = this.size, patch = this.patch, plane = height * width * patch ** 2;
    const y = Math.floor(cell / width) * patch, x = (cell % width) * patch;
    let most = 0;
    for (let first = 0; first < this.pixels.length; first += plane)
      for (let i = 0; i < patch; ++i)
        for (let j = 0; j < patch; ++j)
          most = Math.max(most, this.pixels[first + (y + i) * width * patch + x + j]);
    return most;
  }

  // hand the drawn pixels to their level
  ink() {
    const pen = this.plan.drawing;
    if (!pen) return;
    const [height, width] = this.size, patch = this.patch, cells = height * width;
    const channels = this.engine.levels[pen.level].channels;
    const numbers = new Float32Array(channels * cells);
    for (let c = 0; c < channels; ++c) {
      const part = c % patch ** 2, i = Math.floor(part / patch), j = part % patch;
      const first = Math.floor(c / patch ** 2) % this.colours * cells * patch ** 2;
      for (let n = 0; n < cells; ++n) {
        const y = Math.floor(n / width) * patch + i, x = (n % width) * patch + j;
        const pixel = this.pixels[first + y * width * patch + x];
        numbers[c * cells + n] = (pixel - pen.mean) / pen.deviation;
      }
    }
    this.engine.write(pen.level, numbers);
  }

  // put down ink of some colour, or take it away, in a soft disc around [y, x], in cells; the grid
  // wraps
  dab([y, x], radius, rub, ink = [1, 1, 1]) {
    const patch = this.patch, high = this.size[0] * patch, wide = this.size[1] * patch;
    const reach = radius * patch, [cy, cx] = [y * patch - 0.5, x * patch - 0.5];
    for (let i = Math.floor(cy - reach - 1); i <= cy + reach + 1; ++i) {
      for (let j = Math.floor(cx - reach - 1); j <= cx + reach + 1; ++j) {
        const strength = Math.min(1, Math.max(0, reach + 0.5 - Math.hypot(i - cy, j - cx)));
        const place = (((i % high) + high) % high) * wide + (((j % wide) + wide) % wide);
        for (let hue = 0; hue < this.colours; ++hue) {
          const at = hue * high * wide + place, old = this.pixels[at];
          this.pixels[at] = rub ? Math.min(old, 1 - strength)
            : this.colours === 1 ? Math.max(old, strength) : old + strength * (ink[hue] - old);
        }
      }
    }
  }

  // draw an example, in the middle of the grid
  example(number) {
    const bytes = atob(this.plan.drawing.examples[number]), patch = this.patch;
    const [high, wide] = this.plan.size.map((side) => side * patch);
    const [height, width] = this.size.map((side) => side * patch);
    const down = ((height / patch >> 1) - (high / patch >> 1)) * patch;
    const across = ((width / patch >> 1) - (wide / patch >> 1)) * patch;
    this.pixels.fill(0);
    for (let n = 0; n < this.colours * high * wide; ++n) {
      const hue = Math.floor(n / (high * wide)), y = Math.floor(n / wide) % high;
      const [i, j] = [y + down, n % wide + across];
      if (i >= 0 && i < height && j >= 0 && j < width)
        this.pixels[(hue * height + i) * width + j] = bytes.charCodeAt(n) / 255;
    }
  }

  // set the first state in, its middle at a cell
  sow([y, x]) {
    const [, wide] = this.plan.size, [down, across] = this.engine.offset;
    const cells = this.seeds.flatMap(({ first, scale }) => first.cells.map((n) =>
      [Math.floor(n / (wide / scale)) * scale, (n % (wide / scale)) * scale]));
    const middle = (numbers) => (Math.min(...numbers) + Math.max(...numbers)) >> 1;
    const from = [
      middle(cells.map(([row]) => row)) + down,
      middle(cells.map(([, column]) => column)) + across,
    ];
    const coarsest = Math.max(...this.seeds.map((level) => level.scale)); // they move as one
    const shift = [Math.floor(y) - from[0], Math.floor(x) - from[1]]
      .map((by) => Math.floor(by / coarsest) * coarsest);
    for (const level of this.seeds) this.engine.touch(level, 1, { shift });
  }

  free() {
    const gl = this.gl;
    this.engine.free();
    for (const { texture, frame, shader } of this.looks) {
      gl.deleteTexture(texture);
      gl.deleteFramebuffer(frame);
      gl.deleteProgram(shader.program);
    }
    gl.deleteProgram(this.shown.program);
  }
}
