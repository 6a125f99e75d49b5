// The page: buttons, sliders, keys, and time.

const byId = (id) => document.getElementById(id);
const plan = JSON.parse(byId("plan").textContent);
const asked = JSON.parse(byId("trial").textContent || "null");
const SPEEDS = [1, 2, 5, 10, 20, 30, 60, 120, 240, 600];
const MOST_AT_ONCE = 12; // steps between two pictures
const TOOLS = {
  draw: { name: "Draw", brush: 1.4 / (plan.drawing ? plan.drawing.patch : 1) },
  rub: { name: "Rub out", brush: 2.5 / (plan.drawing ? plan.drawing.patch : 1) },
  cut: { name: plan.drawing ? "Disturb" : "Cut", brush: Math.max(2, plan.size[0] / 10) },
  sow: { name: "Sow", brush: 0 },
};

const app = {
  stage: null, playing: false, view: 0, tool: "", speed: 5, rate: plan.fireRate, owed: 0, last: 0,
  changed: true, frames: 0, hand: null,

  start() {
    byId("recipe").textContent = plan.recipe;
    byId("hint").textContent = plan.hint;
    this.makeControls();
    this.build(plan.size);
    if (plan.drawing && plan.drawing.examples.length) this.stage.example(0);
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
  },

  bring(old) {
    const patch = this.stage.patch, to = this.stage.size.map((side) => side * patch);
    const from = old.size.map((side) => side * patch);
    const move = [0, 1].map((axis) =>
      ((this.stage.size[axis] >> 1) - (old.size[axis] >> 1)) * patch);
    for (let y = 0; y < from[0]; ++y)
      for (let x = 0; x < from[1]; ++x) {
        const [i, j] = [y + move[0], x + move[1]];
        if (i >= 0 && i < to[0] && j >= 0 && j < to[1])
          this.stage.pixels[i * to[1] + j] = old.pixels[y * from[1] + x];
      }
  },

  fit() {
    const wide = byId("canvas").closest(".frame").clientWidth - 20;
    this.stage.fit(Math.max(120, Math.min(wide, Math.max(260, window.innerHeight - 290))));
    this.changed = true;
  },

  get paper() {
    const value = getComputedStyle(document.documentElement).getPropertyValue("--sheet").trim();
    return [1, 3, 5].map((n) => parseInt(value.slice(n, n + 2), 16) / 255);
  },

  play(on) {
    this.playing = on;
    this.owed = 0;
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
  },

  frame(now) {
    const passed = Math.min(0.25, (now - this.last) / 1000);
    this.last = now;
    if (this.playing && !document.hidden) {
      this.owed = Math.min(this.owed + passed * SPEEDS[this.speed], MOST_AT_ONCE);
      const due = Math.floor(this.owed);
      this.owed -= due;
      if (due) this.step(due);
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
    const view = plan.views[0], drawn = !plan.drawing || this.stage.pixels.some((v) => v > view.ink);
    const most = counts.indexOf(Math.max(...counts));
    byId("votes").querySelector("h2").textContent = drawn && voters
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
    if (this.tool === "sow") {
      this.stage.sow(to);
    } else {
      const count = Math.max(1, Math.ceil(far / Math.max(0.3, radius / 2)));
      for (let n = 1; n <= count; ++n) {
        const at = [0, 1].map((axis) => from[axis] + (to[axis] - from[axis]) * n / count);
        if (this.tool === "cut") this.stage.engine.empty(at, radius);
        else this.stage.dab(at, radius, this.tool === "rub");
      }
      if (this.tool !== "cut") this.stage.ink();
    }
    this.changed = true;
  },

  place(event) {
    const box = byId("canvas").getBoundingClientRect(), [height, width] = this.stage.size;
    return [(event.clientY - box.top) / box.height * height,
      (event.clientX - box.left) / box.width * width];
  },

  makeControls() {
    const tools = plan.drawing ? ["draw", "rub", "cut"] : ["cut"];
    if (plan.levels.some((l) => !l.input && l.first && l.first.cells)) tools.push("sow");
    tools.forEach((tool) => {
      const button = this.button("tools", TOOLS[tool].name, () => this.choose(tool));
      button.dataset.tool = tool;
    });
    this.tools = tools;
    byId("speed").value = this.speed;
    byId("rate").value = Math.round(100 * this.rate);
    byId("turning").hidden = !plan.levels.some((level) => level.terms.some((term) =>
      (term.sights || []).some((sight) => sight.slopes)));
    [1, 2, 3, 4].map((times) => plan.size.map((side) => side * times))
      .filter(([height]) => height <= 256).forEach((size) => {
        const option = new Option(`${size[0]} × ${size[1]} cells`, JSON.stringify(size));
        byId("size").append(option);
      });
    if (plan.views.length > 1) plan.views.forEach((view, number) => {
      const button = this.button("views", "", () => this.see(number));
      const small = document.createElement("canvas");
      button.append(small, view.name);
      button.setAttribute("aria-label", `Show ${view.name}`);
    });
    this.makeExamples();
    this.makeVotes();
    this.listen();
    this.choose(tools[0]);
    this.see(0);
  },

  button(place, name, act) {
    const button = document.createElement("button");
    button.textContent = name;
    button.addEventListener("click", act);
    byId(place).append(button);
    return button;
  },

  makeExamples() {
    const pen = plan.drawing;
    if (!pen || !pen.examples.length) return;
    const [high, wide] = plan.size.map((side) => side * pen.patch);
    byId("examples").hidden = false;
    pen.examples.forEach((text, number) => {
      const bytes = atob(text), small = document.createElement("canvas");
      [small.width, small.height] = [wide, high];
      const picture = new ImageData(wide, high);
      for (let n = 0; n < wide * high; ++n)
        picture.data.set([110, 118, 128, bytes.charCodeAt(n)], n * 4);
      small.getContext("2d").putImageData(picture, 0, 0);
      const button = this.button("examples", "", () => {
        this.stage.example(number);
        this.changed = true;
      });
      button.setAttribute("aria-label", `Example: ${pen.words[number]}`);
      button.append(small);
    });
  },

  makeVotes() {
    const view = plan.views[0];
    if (view.kind !== "classes") return;
    byId("votes").hidden = false;
    byId("votes").append(document.createElement("h2"));
    view.names.forEach((name, number) => {
      const row = document.createElement("div");
      row.hidden = number === view.silent;
      const bar = document.createElement("i"), word = document.createElement("b");
      bar.style.background = `rgb(${view.colours[number].join(",")})`;
      word.textContent = name;
      const track = document.createElement("span");
      track.append(bar);
      row.append(word, track, document.createElement("output"));
      byId("votes").append(row);
    });
  },

  say() {
    byId("speed-said").textContent = `${SPEEDS[this.speed]} / s`;
    byId("rate-said").textContent = `${Math.round(100 * this.rate)} %`;
    byId("brush-said").textContent = this.tool === "sow" ? "" : `${TOOLS[this.tool].brush.toFixed(1)} cells`;
    byId("angle-said").textContent = `${byId("angle").value}°`;
  },

  listen() {
    const on = (id, kind, act) => byId(id).addEventListener(kind, (event) => {
      act(event.target.value);
      this.say();
    });
    on("play", "click", () => this.play(!this.playing));
    on("once", "click", () => { this.play(false); this.step(); });
    on("reset", "click", () => this.reset());
    on("speed", "input", (value) => { this.speed = Number(value); });
    on("rate", "input", (value) => { this.rate = Number(value) / 100; });
    on("brush", "input", (value) => { TOOLS[this.tool].brush = Number(value); });
    on("angle", "input", (value) => { this.stage.engine.angle = Number(value) * Math.PI / 180; });
    on("size", "change", (value) => this.build(JSON.parse(value)));
    window.addEventListener("resize", () => this.fit());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.changed = true;
    });
    const canvas = byId("canvas");
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.hand = this.place(event);
      this.apply(this.hand, this.hand);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!this.hand || this.tool === "sow") return;
      const at = this.place(event);
      this.apply(this.hand, at);
      this.hand = at;
    });
    for (const kind of ["pointerup", "pointercancel"])
      canvas.addEventListener(kind, () => { this.hand = null; });
    canvas.addEventListener("webglcontextlost", (event) => { event.preventDefault(); this.play(false); });
    canvas.addEventListener("webglcontextrestored", () => {
      this.stage = null;
      this.build(JSON.parse(byId("size").value));
    });
    document.addEventListener("keydown", (event) => this.key(event));
  },

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const on = event.target.tagName;
    if (on === "SELECT" || (on === "INPUT" && event.key.startsWith("Arrow"))) return;
    const slide = (id, by) => {
      const slider = byId(id);
      slider.value = Number(slider.value) + by * Number(slider.step);
      slider.dispatchEvent(new Event("input"));
    };
    const acts = {
      " ": () => this.play(!this.playing), ".": () => { this.play(false); this.step(); },
      r: () => this.reset(), "[": () => slide("brush", -1), "]": () => slide("brush", 1),
      "-": () => slide("speed", -1), "+": () => slide("speed", 1), "=": () => slide("speed", 1),
    };
    const number = Number(event.key);
    const act = number >= 1 && number <= this.tools.length
      ? () => this.choose(this.tools[number - 1]) : acts[event.key.toLowerCase()];
    if (!act || (event.key === " " && on === "BUTTON" && event.target.id !== "play")) return;
    event.preventDefault();
    act();
  },
};

function fail(fault) {
  byId("fault").textContent = `This page cannot run here: ${fault.message}`;
  byId("fault").hidden = false;
  byId("canvas").hidden = true;
}

// for a trial the page runs it and says what came out; else it is there for a person
if (asked) {
  const said = document.createElement("script");
  said.id = "answer";
  said.type = "application/json";
  try {
    const gl = byId("canvas").getContext("webgl2");
    if (!gl) throw new Error("this browser has no WebGL2");
    said.textContent = JSON.stringify(trial(gl, plan, asked));
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
