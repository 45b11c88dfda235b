// Charts in SVG: no library, no inline style in markup, every figure also as text.

import { h, put, s } from "./dom.js";
import { clock } from "./format.js";

const SPAN = 300;
const LEFT = 54;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 20;

function roundUp(value) {
  if (value <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(value));
  for (const factor of [1, 1.5, 2, 3, 4, 5, 6, 8, 10]) if (value <= factor * power * 1.0001) return factor * power;
  return 10 * power;
}

// A card with a title; charts and lists go in.
export function card(title, ...content) {
  return h("section", { class: "card" }, h("h2", null, title), ...content);
}

// Lines, or areas on top of each other, over the last five minutes.
export class TimeChart {
  // series: [{key, label, color}]; show(value) makes text of a value
  constructor({ title, series, show, stacked = false, least = 1, most = Infinity, height = 170 }) {
    Object.assign(this, { title, series, show, stacked, least, most, height, width: 480, at: null });
    this.times = [];
    this.values = {};
    this.drawing = s("svg", { class: "chart", height, "aria-hidden": "true", focusable: "false" });
    this.cursor = s("line", { class: "cursor", y1: TOP, y2: height - BOTTOM, visibility: "hidden" });
    this.legend = h("ul", { class: "legend" });
    this.when = h("span", { class: "when" });
    this.frame = h("div", { class: "plot", tabindex: "0", role: "img", "aria-label": title }, this.drawing);
    this.element = h("section", { class: "card chart-card" },
      h("div", { class: "card-head" }, h("h2", null, title), this.when), this.frame, this.legend);
    this.figures = new Map(series.map(({ key, label, color }) => {
      const figure = h("b", null, "–");
      this.legend.append(h("li", null, h("i", { class: `swatch ${color}` }), h("span", null, label), figure));
      return [key, figure];
    }));
    this.frame.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    this.frame.addEventListener("pointerleave", () => this.#choose(null));
    this.frame.addEventListener("blur", () => this.#choose(null));
    this.frame.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width && width !== this.width) { this.width = width; this.#draw(); }
    }).observe(this.frame);
  }

  update(times, values) {
    this.times = times;
    this.values = values;
    if (this.at !== null && this.at >= times.length) this.at = null;
    this.#draw();
  }

  #x(time) { return LEFT + ((time - (this.end - SPAN)) / SPAN) * (this.width - LEFT - RIGHT); }

  #y(value) { return TOP + (1 - Math.min(value / this.top, 1)) * (this.height - TOP - BOTTOM); }

  #draw() {
    this.end = this.times.at(-1) ?? Date.now() / 1000;
    this.drawing.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.drawing.setAttribute("width", this.width);
    const layers = this.#layers();
    const highest = Math.max(0, ...layers.flatMap(({ upper }) => upper.filter((value) => value !== null)));
    this.top = Math.min(this.most, roundUp(Math.max(this.least, highest)));
    put(this.drawing, this.#grid(), this.#areas(layers), this.cursor);
    this.#tell();
  }

  #layers() {
    const below = this.times.map(() => 0);
    return this.series.map(({ key, color }) => {
      const own = this.values[key] ?? [];
      if (!this.stacked) return { color, upper: own, lower: null };
      if (!own.some(Boolean)) return { color, upper: [], lower: [] };
      const lower = below.slice();
      const upper = own.map((value, index) => { below[index] += value ?? 0; return below[index]; });
      return { color, lower, upper };
    });
  }

  #grid() {
    const lines = [];
    for (let part = 0; part <= 4; part += 2) {
      const value = (this.top * part) / 4;
      const y = this.#y(value);
      lines.push(s("line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }));
      lines.push(s("text", { class: "axis", x: LEFT - 6, y: y + 4, "text-anchor": "end" }, this.show(value)));
    }
    for (let minute = 0; minute <= (this.width < 520 ? 4 : 5); minute += 1) {
      const x = this.#x(this.end - minute * 60);
      const anchor = minute === 0 ? "end" : minute === 5 ? "start" : "middle";
      const words = minute === 0 ? "now" : `−${minute} min`;
      lines.push(s("text", { class: "axis", x, y: this.height - 5, "text-anchor": anchor }, words));
    }
    return lines;
  }

  #areas(layers) {
    const drawn = [];
    for (const { color, upper, lower } of layers) {
      for (const [from, to] of this.#runs(upper)) {
        const edge = [];
        for (let index = from; index < to; index += 1) edge.push(this.#place(index, upper[index]));
        if (edge.length === 1) edge.push(edge[0]);
        if (lower) {
          const back = [];
          for (let index = to - 1; index >= from; index -= 1) back.push(this.#place(index, lower[index]));
          drawn.push(s("path", { class: `area ${color}`, d: `M${edge.join("L")}L${back.join("L")}Z` }));
        }
        drawn.push(s("path", { class: `line ${color}`, d: `M${edge.join("L")}` }));
      }
    }
    return drawn;
  }

  #place(index, value) { return `${this.#x(this.times[index]).toFixed(1)},${this.#y(value).toFixed(1)}`; }

  // Where there are values one after another: a gap in time, or no value, breaks the line.
  #runs(values) {
    const runs = [];
    let from = null;
    for (let index = 0; index <= this.times.length; index += 1) {
      const ends = index === this.times.length || values[index] === null || values[index] === undefined
        || (from !== null && this.times[index] - this.times[index - 1] > 5);
      if (ends && from !== null) { runs.push([from, index]); from = null; }
      const value = values[index];
      if (index < this.times.length && value !== null && value !== undefined && from === null) from = index;
    }
    return runs;
  }

  #tell() {
    const index = this.at ?? this.times.length - 1;
    const said = this.series.map(({ key, label }) => {
      const text = this.show(this.values[key]?.[index] ?? null);
      this.figures.get(key).textContent = text;
      return `${label} ${text}`;
    });
    this.when.textContent = this.at === null ? "" : clock(this.times[this.at]);
    this.frame.setAttribute("aria-label", `${this.title}: ${said.join(", ")}`);
    this.cursor.setAttribute("visibility", this.at === null ? "hidden" : "visible");
    if (this.at !== null) {
      const x = this.#x(this.times[this.at]);
      this.cursor.setAttribute("x1", x);
      this.cursor.setAttribute("x2", x);
    }
  }

  #point(x) {
    if (!this.times.length) return;
    const time = this.end - SPAN + ((x - LEFT) / (this.width - LEFT - RIGHT)) * SPAN;
    let nearest = 0;
    this.times.forEach((each, index) => {
      if (Math.abs(each - time) < Math.abs(this.times[nearest] - time)) nearest = index;
    });
    this.#choose(nearest);
  }

  #key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -30, PageDown: 30 }[event.key];
    if (event.key === "Escape") this.#choose(null);
    if (!step || !this.times.length) return;
    event.preventDefault();
    const from = this.at ?? this.times.length - 1;
    this.#choose(Math.max(0, Math.min(this.times.length - 1, from + step)));
  }

  #choose(index) { this.at = index; this.#tell(); }
}

// How many jobs had how much: bars over steps that grow.
export class Histogram {
  constructor({ title, show, color, empty, height = 170 }) {
    Object.assign(this, { title, show, color, empty, height });
    this.drawing = s("svg", { class: "chart", height, "aria-hidden": "true", focusable: "false" });
    this.frame = h("div", { class: "plot", role: "img", "aria-label": title }, this.drawing);
    this.words = h("p", { class: "muted small" });
    this.element = h("section", { class: "card chart-card" },
      h("div", { class: "card-head" }, h("h2", null, title)), this.frame, this.words);
    this.steps = [];
    this.width = 480;
    new ResizeObserver(([entry]) => {
      const width = Math.round(entry.contentRect.width);
      if (width && width !== this.width) { this.width = width; this.update(this.steps, this.words.textContent); }
    }).observe(this.frame);
  }

  update(steps, words) {
    this.steps = steps;
    this.words.textContent = steps.length ? words : this.empty;
    this.frame.setAttribute("aria-label", `${this.title}: ${this.words.textContent}`);
    this.drawing.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.drawing.setAttribute("width", this.width);
    put(this.drawing, steps.length ? this.#bars(steps) : null);
  }

  #bars(steps) {
    // Bars of equal width on a scale of powers.
    const first = Math.log(steps[0][0]);
    const last = Math.log(steps.at(-1)[0]);
    const bars = Math.min(28, Math.max(1, Math.round((last - first) / Math.log(1.1)) + 1));
    const sums = new Array(bars).fill(0);
    for (const [upper, jobs] of steps) {
      const place = last === first ? 0 : Math.round(((Math.log(upper) - first) / (last - first)) * (bars - 1));
      sums[place] += jobs;
    }
    const most = roundUp(Math.max(...sums));
    const inner = this.width - LEFT - RIGHT;
    const slot = inner / Math.max(bars, 6);
    const floor = this.height - BOTTOM;
    const drawn = [];
    for (const part of [0, 0.5, 1]) {
      const y = TOP + (1 - part) * (floor - TOP);
      drawn.push(s("line", { class: "grid", x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y }));
      const value = most * part;
      drawn.push(s("text", { class: "axis", x: LEFT - 6, y: y + 4, "text-anchor": "end" },
        Number.isInteger(value) ? value : ""));
    }
    sums.forEach((jobs, index) => {
      const height = (jobs / most) * (floor - TOP);
      if (jobs) {
        drawn.push(s("rect", {
          class: `bar ${this.color}`, x: LEFT + index * slot + 1, y: floor - height,
          width: Math.max(1, slot - 2), height, rx: 2,
        }));
      }
    });
    const label = (index) => this.show(Math.exp(bars === 1 ? first : first + ((last - first) * index) / (bars - 1)));
    const y = this.height - 5;
    drawn.push(s("text", { class: "axis", x: LEFT, y }, label(0)));
    if (bars > 6) {
      drawn.push(s("text", { class: "axis", x: LEFT + inner / 2, y, "text-anchor": "middle" }, label((bars - 1) / 2)));
      drawn.push(s("text", { class: "axis", x: this.width - RIGHT, y, "text-anchor": "end" }, label(bars - 1)));
    }
    return drawn;
  }
}

// Names with numbers, longest first.
export class BarList {
  constructor({ title, empty, note }) {
    this.list = h("dl", { class: "bars" });
    this.nothing = h("p", { class: "muted" }, empty);
    this.element = card(title, this.list, this.nothing, note && h("p", { class: "muted small" }, note));
  }

  // entries: [name, number, text]
  update(entries) {
    const most = Math.max(1, ...entries.map(([, number]) => number));
    const rows = [...entries].sort((one, other) => other[1] - one[1]).map(([name, number, text]) => {
      const bar = h("i", { class: "bar-fill", "aria-hidden": "true" });
      bar.style.width = `${(100 * number) / most}%`;
      return h("div", null, h("dt", null, name), h("dd", null, text ?? number, bar));
    });
    put(this.list, rows);
    this.nothing.hidden = rows.length > 0;
    this.list.hidden = rows.length === 0;
  }
}

export function sparkline(values, color) {
  const most = Math.max(1e-9, ...values.map((value) => value ?? 0));
  const step = values.length > 1 ? 100 / (values.length - 1) : 100;
  const points = values.map((value, index) =>
    `${(index * step).toFixed(1)},${(22 - (20 * (value ?? 0)) / most).toFixed(1)}`);
  return s("svg", { class: "spark", viewBox: "0 0 100 24", preserveAspectRatio: "none", "aria-hidden": "true" },
    points.length > 1 && s("path", { class: `area ${color}`, d: `M0,24L${points.join("L")}L100,24Z` }),
    points.length > 1 && s("path", { class: `line ${color}`, d: `M${points.join("L")}` }));
}
