// What a hand finds on the page beside the cells; mixed into the page's own object.

const INKS = {
  red: [221, 51, 51], orange: [240, 140, 40], yellow: [245, 220, 60], green: [60, 160, 70],
  blue: [50, 100, 210], violet: [140, 70, 170], brown: [120, 80, 50], grey: [128, 128, 128],
  white: [255, 255, 255], black: [0, 0, 0],
};

const controls = {
  makeControls() {
    const tools = plan.drawing ? ["draw", "rub", "cut"] : ["cut"];
    if (plan.levels.some((l) => !l.input && l.first && l.first.cells)) tools.push("sow");
    tools.forEach((tool) => {
      const button = this.button("tools", TOOLS[tool].name, () => this.choose(tool));
      button.dataset.tool = tool;
    });
    this.tools = tools;
    byId("clear").hidden = !plan.drawing;
    byId("speed").max = SPEEDS.length - 1;
    byId("speed").value = this.speed;
    byId("rate").value = Math.round(100 * this.rate);
    byId("turning").hidden = !plan.levels.some((level) => level.terms.some((term) =>
      (term.sights || []).some((sight) => sight.slopes)));
    [1, 2, 3, 4].map((times) => plan.size.map((side) => side * times))
      .filter(([height], n) => !n || height <= (inBits ? 2048 : 256)).forEach((size) => {
        const option = new Option(`${size[0]} × ${size[1]} cells`, JSON.stringify(size));
        byId("size").append(option);
      });
    if (plan.views.length > 1) plan.views.forEach((view, number) => {
      const button = this.button("views", "", () => this.see(number));
      const small = document.createElement("canvas");
      button.append(small, view.name);
      button.setAttribute("aria-label", `Show ${view.name}`);
    });
    this.makeInks();
    this.makeExamples();
    this.makeVotes();
    this.makeLegend();
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
      const picture = new ImageData(wide, high), count = wide * high;
      const value = (n, hue) => bytes.charCodeAt(hue * count + n);
      for (let n = 0; n < count; ++n)
        picture.data.set(pen.colours === 3 ? [value(n, 0), value(n, 1), value(n, 2), 255]
          : [110, 118, 128, value(n, 0)], n * 4);
      small.getContext("2d").putImageData(picture, 0, 0);
      const button = this.button("examples", "", () => {
        this.redraw(() => this.stage.example(number));
        this.mark(number);
      });
      button.setAttribute("aria-label", `Example: ${pen.words[number]}`);
      button.title = pen.words[number];
      button.append(small);
    });
  },

  // colours to draw with, where pictures are coloured; what is drawn is seen then
  makeInks() {
    if (!plan.drawing || plan.drawing.colours !== 3) return;
    byId("inks").hidden = false;
    Object.entries(INKS).forEach(([name, ink]) => {
      const button = this.button("inks", "", () => {
        this.dip(name);
        this.choose("draw");
        this.see(plan.views.findIndex((view) => view.kind === "drawn"));
      });
      button.setAttribute("aria-label", `Draw in ${name}`);
      button.title = button.dataset.ink = name;
      button.style.background = `rgb(${ink.join(",")})`;
    });
    this.dip("red");
  },

  dip(name) {
    this.pen = INKS[name].map((value) => value / 255);
    document.querySelectorAll("#inks button").forEach((button) =>
      button.setAttribute("aria-pressed", String(button.dataset.ink === name)));
  },

  // mark the example that is drawn; null: something else is
  mark(example) {
    document.querySelectorAll("#examples button").forEach((button, number) =>
      button.setAttribute("aria-pressed", String(number === example)));
  },

  makeVotes() {
    const view = plan.views[0];
    if (view.kind !== "classes") return;
    byId("votes").hidden = byId("verdict").hidden = false;
    view.names.forEach((name, number) => {
      const row = document.createElement("div");
      row.hidden = number === view.silent;
      const bar = document.createElement("i"), word = document.createElement("b");
      for (const [theme, colours] of Object.entries(view.colours))
        bar.style.setProperty(`--${theme}`, `rgb(${colours[number].join(",")})`);
      word.textContent = word.title = name;
      const track = document.createElement("span");
      track.append(bar);
      row.append(word, track, document.createElement("output"));
      byId("votes").append(row);
    });
  },

  // what each colour of a state means; of very many, the first
  makeLegend() {
    const view = plan.views[0], most = 24;
    if (view.kind !== "states") return;
    byId("legend").hidden = false;
    view.names.slice(0, most).forEach((name, number) => {
      const item = document.createElement("li"), colour = document.createElement("i");
      colour.style.background = `rgb(${view.colours[number].join(",")})`;
      item.append(colour, name);
      byId("legend").append(item);
    });
    if (view.names.length > most) {
      const item = document.createElement("li");
      item.textContent = `and ${view.names.length - most} more`;
      byId("legend").append(item);
    }
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
    on("clear", "click", () => this.clear());
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
      r: () => this.reset(), c: () => plan.drawing && this.clear(), "[": () => slide("brush", -1), "]": () => slide("brush", 1),
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
