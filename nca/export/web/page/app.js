// The page: buttons, sliders, keys, and time.

const byId = (id) => document.getElementById(id);
const plan = JSON.parse(byId("plan").textContent);
const asked = JSON.parse(byId("trials").textContent || "null");
const inBits = plan.levels.some((level) => level.bits);
const SPEEDS = [1, 2, 5, 10, 20, 30, 60, 120, 240, 600, ...(inBits ? [2000, 6000] : [])];
const TOOLS = {
  draw: { name: "Draw", brush: 1.4 / (plan.drawing ? plan.drawing.patch : 1) },
  rub: { name: "Rub out", brush: 2.5 / (plan.drawing ? plan.drawing.patch : 1) },
  cut: { name: plan.drawing ? "Disturb" : "Cut", brush: Math.max(2, plan.size[0] / 10) },
  sow: { name: "Sow", brush: 0 },
};

const app = {
  ...controls,
  stage: null, playing: false, paused: false, view: 0, tool: "", speed: 5, rate: plan.fireRate, owed: 0, last: 0,
  changed: true, frames: 0, hand: null, pen: [1, 1, 1],

  start() {
    byId("recipe").textContent = plan.recipe;
    byId("hint").textContent = plan.hint;
    this.makeControls();
    this.build(plan.size);
    if (plan.drawing && plan.drawing.examples.length) {
      this.stage.example(0);
      this.stage.ink();
      this.mark(0);
    }
    byId("pause").hidden = !plan.pause;
    byId("anew").hidden = !plan.drawing || plan.inputChange !== "begin anew";
    this.note();
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) this.play(true);
    requestAnimationFrame((now) => this.frame(now));
  },

  // a stage of some size, with what is drawn brought along
  build(size) {
    const old = this.stage;
    if (old) old.free();
    this.stage = new Stage(byId("canvas"), plan, size);
    if (old) this.bring(old);
    this.stage.engine.angle = Number(byId("angle").value) * Math.PI / 180;
    this.stage.ink();
    this.fit();
    this.resume();
  },

  bring(old) {
    const patch = this.stage.patch, to = this.stage.size.map((side) => side * patch);
    const from = old.size.map((side) => side * patch);
    const move = [0, 1].map((axis) =>
      ((this.stage.size[axis] >> 1) - (old.size[axis] >> 1)) * patch);
    for (let n = 0; n < old.pixels.length; ++n) {
      const hue = Math.floor(n / (from[0] * from[1]));
      const [i, j] = [Math.floor(n / from[1]) % from[0] + move[0], n % from[1] + move[1]];
      if (i >= 0 && i < to[0] && j >= 0 && j < to[1])
        this.stage.pixels[(hue * to[0] + i) * to[1] + j] = old.pixels[n];
    }
  },

  fit() {
    const wide = byId("canvas").closest(".frame").clientWidth - 20;
    this.stage.fit(Math.max(120, Math.min(wide, Math.max(260, window.innerHeight - 340))));
    this.changed = true;
  },

  // steps between two pictures, at most
  get atOnce() {
    const [height, width] = this.stage.size;
    return inBits ? Math.max(12, Math.min(100, Math.floor(2 ** 24 / (height * width)))) : 12;
  },

  get paper() {
    const value = getComputedStyle(document.documentElement).getPropertyValue("--sheet").trim();
    return [1, 3, 5].map((n) => parseInt(value.slice(n, n + 2), 16) / 255);
  },

  play(on) {
    this.playing = on;
    this.paused = false;
    this.owed = 0;
    this.note();
    byId("play").textContent = on ? "Pause" : "Play";
    byId("play").setAttribute("aria-pressed", String(on));
  },

  step(count = 1) {
    for (let n = 0; n < count; ++n) this.stage.engine.advance(this.rate);
    this.changed = true;
  },

  reset() {
    this.stage.engine.sow(false);
    this.changed = true;
    this.resume();
  },

  clear() {
    this.stage.pixels.fill(0);
    this.stage.ink();
    this.mark(null);
    this.reset();
  },

  // change what is drawn, and let the cells do what they did in training: carry on, where those
  // that are dead under the new input are cleared, or begin anew; after a blank all begins anew
  redraw(change) {
    const blank = !this.drawn;
    change();
    this.stage.ink();
    if (blank || plan.inputChange === "begin anew") this.reset();
    else this.stage.engine.clearDead();
    this.changed = true;
  },

  get drawn() {
    const least = plan.views[0].ink ?? 0;
    return !plan.drawing || this.stage.pixels.some((value) => value > least);
  },

  // pause at the last step that was measured, where the automaton is known not to hold
  limit() {
    if (!plan.pause || this.stage.engine.step !== plan.pause.measured) return false;
    this.play(false);
    this.paused = true;
    this.note();
    return true;
  },

  // go on if the page paused by itself, since all begins anew
  resume() {
    if (this.paused) this.play(true);
  },

  note() {
    if (!plan.pause) return;
    const { trained, measured, why } = plan.pause;
    byId("pause").textContent = this.paused
      ? `Paused: trained for ${trained} steps; measured to ${measured}: press play to go on.`
      : `${why} The page pauses at step ${measured}.`;
  },

  frame(now) {
    const passed = Math.min(0.25, (now - this.last) / 1000);
    this.last = now;
    if (this.playing && !document.hidden) {
      this.owed = Math.min(this.owed + passed * SPEEDS[this.speed], this.atOnce);
      const due = Math.floor(this.owed);
      this.owed -= due;
      // what is too much for one picture is left out, so that the page answers in time
      for (let n = 0, late = performance.now() + 50; n < due && performance.now() < late; ++n) {
        this.step();
        if (this.limit()) break;
      }
    }
    if (this.changed) this.show();
    requestAnimationFrame((later) => this.frame(later));
  },

  show() {
    const paper = this.paper;
    // small pictures and votes may lag behind while time passes
    if (!this.playing || this.frames++ % 5 === 0) {
      plan.views.forEach((_, number) => this.stage.adapt(number, this.playing ? 0.3 : 1));
      document.querySelectorAll("#views canvas").forEach((small, number) =>
        this.stage.copy(number, paper, small));
      if (plan.views[0].kind === "classes") this.tell(this.stage.votes(0));
    }
    this.stage.draw(this.view, paper);
    byId("clock").textContent = `step ${this.stage.engine.step.toLocaleString("en")}`;
    this.changed = this.playing;
  },

  tell({ counts, voters }) {
    const view = plan.views[0], drawn = this.drawn;
    const most = counts.indexOf(Math.max(...counts));
    byId("verdict").textContent = drawn && voters
      ? `${Math.round(100 * counts[most] / voters)} % of the cells say ${view.names[most]}`
      : "Nothing is drawn yet";
    byId("votes").querySelectorAll("div").forEach((row, number) => {
      const share = drawn && voters ? counts[number] / voters : 0;
      row.querySelector("i").style.width = `${100 * share}%`;
      row.querySelector("output").textContent = drawn && voters ? `${Math.round(100 * share)} %` : "";
    });
  },

  choose(tool) {
    this.tool = tool;
    document.querySelectorAll("#tools button").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.tool === tool)));
    byId("brush").value = TOOLS[tool].brush;
    byId("brush").disabled = tool === "sow";
    this.say();
  },

  see(view) {
    this.view = view;
    document.querySelectorAll("#views button").forEach((button, number) =>
      button.setAttribute("aria-pressed", String(number === view)));
    this.changed = true;
  },

  // what a press, or a move while pressed, does to the cells; places are [y, x] in cells
  apply(from, to) {
    const radius = TOOLS[this.tool].brush, far = Math.hypot(to[0] - from[0], to[1] - from[1]);
    const count = Math.max(1, Math.ceil(far / Math.max(0.3, radius / 2)));
    const stroke = (touch) => {
      for (let n = 1; n <= count; ++n) {
        const [y, x] = [0, 1].map((axis) => from[axis] + (to[axis] - from[axis]) * n / count);
        touch([y, plan.hexagonal ? x % this.stage.size[1] : x]);
      }
    };
    if (this.tool === "sow") this.stage.sow(to);
    else if (this.tool === "cut") stroke((at) => this.stage.engine.empty(at, radius));
    else {
      this.redraw(() => stroke((at) => this.stage.dab(at, radius, this.tool === "rub", this.pen)));
      this.mark(null);
    }
    this.changed = true;
  },

  place(event) {
    const box = byId("canvas").getBoundingClientRect();
    return this.stage.place([(event.clientX - box.left) / box.width,
      (event.clientY - box.top) / box.height]);
  },
};

function fail(fault) {
  byId("fault").textContent = `This page cannot run here: ${fault.message}`;
  byId("fault").hidden = false;
  byId("canvas").hidden = true;
}

// for trials the page runs them and says what came out; else it is there for a person
if (asked) {
  const said = document.createElement("script");
  said.id = "answer";
  said.type = "application/json";
  try {
    const gl = byId("canvas").getContext("webgl2");
    said.textContent = JSON.stringify(gl ? runTrials(gl, plan, asked)
      : { lacking: "this browser has no WebGL2" });
  } catch (fault) {
    said.textContent = JSON.stringify({ fault: fault.message });
  }
  document.body.append(said);
} else {
  try {
    app.start();
    window.nca = app;
  } catch (fault) {
    fail(fault);
  }
}
