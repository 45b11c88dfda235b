// What debug mode saw: console, stack, flame graph, steps. Each view is there only where there is something in it.

import { h, put, s, save, theirs, visible } from "./dom.js";
import { milliseconds } from "./format.js";
import { MOST_LINES, languageOf, lines } from "./highlight.js";

const MOST_BARS = 3000;

export function debugViews(debug, source, job) {
  if (!debug) return null;
  const language = languageOf(job.runtime);
  const views = [
    debug.steps?.length && ["Steps", () => new Steps(debug.steps, source, language).element],
    debug.console?.length && ["Console", () => consoleView(debug.console)],
    debug.profile && ["Flame graph", () => new Flame(debug.profile, job.id).element],
    debug.errors?.length && ["Errors", () => errorsView(debug.errors)],
  ].filter(Boolean);
  if (!views.length) return null;
  return h("section", { class: "card debug" }, h("h2", null, "Debug"), tabs(views), cutNote(debug.truncated));
}

function cutNote(truncated) {
  if (!truncated?.length) return null;
  return h("p", { class: "muted small" }, "Cut short by its bounds: ", truncated.map((name, index) => [index ? ", " : "", visible(name)]), ".");
}

function tabs(views) {
  const panel = h("div", { role: "tabpanel", class: "panel", id: "debug-panel", tabindex: "-1" });
  const buttons = views.map(([name], index) => h("button", {
    type: "button", role: "tab", id: `tab-${index}`, "aria-controls": "debug-panel", onclick: () => choose(index),
  }, name));
  const made = [];
  function choose(index) {
    buttons.forEach((button, at) => {
      button.setAttribute("aria-selected", String(at === index));
      button.tabIndex = at === index ? 0 : -1;
    });
    made[index] ??= views[index][1]();
    panel.setAttribute("aria-labelledby", `tab-${index}`);
    put(panel, made[index]);
  }
  const list = h("div", { role: "tablist", class: "tabs", "aria-label": "Debug views" }, buttons);
  list.addEventListener("keydown", (event) => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    const next = (buttons.indexOf(document.activeElement) + step + buttons.length) % buttons.length;
    choose(next);
    buttons[next].focus();
  });
  choose(0);
  return [list, panel];
}

// A value as it was: its text, and what was in it, to be opened.
function valueView(value) {
  const { text = "", type = "", entries = [], truncated = false } = value ?? {};
  const words = [theirs(text, { class: "theirs mono", title: type }), truncated && h("span", { class: "muted" }, " …")];
  if (!entries.length) return h("span", null, words);
  return h("details", { class: "value" }, h("summary", null, words), h("ul", null, entries.map((entry) =>
    h("li", null, theirs(entry.name, { class: "theirs mono muted" }), ": ", valueView(entry.value)))));
}

const KNOWN_LEVELS = ["warn", "warning", "error", "critical"];
const placeOf = (position) => (position ? `line ${position.line}${position.column ? `:${position.column}` : ""}` : "");

function consoleView(entries) {
  return h("ol", { class: "console", tabindex: "0", "aria-label": "Console" }, entries.map((entry) =>
    h("li", { class: KNOWN_LEVELS.includes(entry.level) ? `level-${entry.level}` : entry.stream === "stderr" ? "level-warn" : null },
      h("span", { class: "muted offset" }, `+${milliseconds(entry.at_ms)}`),
      h("span", { class: "level" }, visible(entry.level)),
      h("span", { class: "said" }, (entry.arguments ?? []).map((value, index) => [index ? " " : "", valueView(value)]),
        entry.truncated && h("span", { class: "muted" }, " …")),
      h("span", { class: "muted" }, placeOf(entry.position)))));
}

// -- errors ---------------------------------------------------------------------------------------------------

const RELATIONS = { thrown: "thrown", cause: "caused by", context: "while handling", member: "in this group" };

function frameView({ position, excerpt }) {
  return h("li", null, h("div", null, theirs(position.function || "(top)", { class: "theirs mono" }),
    h("span", { class: "muted small" }, " ", visible(position.file), `, ${placeOf(position)}`)),
  excerpt?.length ? h("pre", { class: "excerpt" }, excerpt.map(({ line, text }) =>
    h("span", { class: line === position.line ? "code-line here" : "code-line" }, h("i", { class: "number" }, line),
      h("span", { class: "code-text" }, visible(text), "\n")))) : null);
}

function errorsView(errors) {
  return h("div", null, errors.map((error) => h("div", { class: "link-of-errors" },
    h("h3", null, h("small", { class: "muted" }, RELATIONS[error.relation] ?? "", " "), theirs(error.name)),
    error.message && h("p", { class: "message" }, theirs(error.message)),
    h("ol", { class: "frames" }, error.frames.map(frameView)),
    error.truncated && h("p", { class: "muted small" }, "There were more frames."))));
}

// -- flame graph ----------------------------------------------------------------------------------------------

// A tree {name, line, weight (with its callees), children} of a V8 .cpuprofile or of a speedscope file.
export function treeOf(profile) {
  const root = { name: "all", line: null, weight: 0, children: new Map() };
  if (Array.isArray(profile.nodes)) fromCpuProfile(profile, root);
  else if (Array.isArray(profile.profiles)) for (const each of profile.profiles) fromSpeedscope(each, profile.shared?.frames ?? [], root);
  return root;
}

function fold(root, stack, weight) {
  if (!(weight > 0)) return;
  let node = root;
  node.weight += weight;
  for (const { name, line } of stack.slice(0, 200)) {
    const key = `${name} ${line}`;
    let next = node.children.get(key);
    if (!next) node.children.set(key, next = { name, line, weight: 0, children: new Map() });
    next.weight += weight;
    node = next;
  }
}

function fromCpuProfile({ nodes, samples = [], timeDeltas = [] }, root) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parent = new Map();
  for (const node of nodes) for (const child of node.children ?? []) parent.set(child, node.id);
  samples.forEach((id, index) => {
    const stack = [];
    for (let at = id, depth = 0; at !== undefined && depth < 1000; at = parent.get(at), depth += 1) {
      const frame = byId.get(at)?.callFrame;
      if (!frame) break;
      if (frame.functionName !== "(root)") {
        stack.push({ name: frame.functionName || "(anonymous)", line: frame.lineNumber >= 0 ? frame.lineNumber + 1 : null });
      }
    }
    fold(root, stack.reverse(), (timeDeltas[index] ?? 0) / 1000);
  });
}

const FACTORS = { nanoseconds: 1e-6, microseconds: 1e-3, milliseconds: 1, seconds: 1000 };

function fromSpeedscope(profile, frames, root) {
  const factor = FACTORS[profile.unit] ?? 1;
  const frame = (index) => ({ name: String(frames[index]?.name ?? "?"), line: frames[index]?.line ?? null });
  if (profile.type === "sampled") {
    profile.samples.forEach((sample, index) => fold(root, sample.map(frame), (profile.weights?.[index] ?? 1) * factor));
    return;
  }
  const stack = [];
  let last = profile.startValue ?? 0;
  for (const event of profile.events ?? []) {
    fold(root, stack.map(frame), (event.at - last) * factor);
    last = event.at;
    if (event.type === "O") stack.push(event.frame);
    else stack.pop();
  }
}

class Flame {
  constructor(profile, id) {
    this.isV8 = profile.format === "cpuprofile";
    this.root = treeOf(profile.content);
    this.note = profile.complete === false ? " The profile ends before the job did, or is cut." : "";
    this.area = h("div", { class: "flame", role: "group", "aria-label": "Flame graph: each bar is a function, its callees below it" });
    this.words = h("p", { class: "muted small", role: "status", "aria-live": "polite" });
    const name = `${id.slice(0, 12)}.${this.isV8 ? "cpuprofile" : "speedscope.json"}`;
    this.element = h("div", null, this.words, this.area, h("div", { class: "actions" },
      h("button", { type: "button", onclick: () => this.zoom(this.root) }, "Whole profile"),
      h("button", { type: "button", onclick: () => save(name, JSON.stringify(profile.content), "application/json") },
        this.isV8 ? "Save as .cpuprofile" : "Save for speedscope")));
    this.zoom(this.root);
  }

  zoom(node) {
    const bars = [];
    let deepest = 0;
    const draw = (each, left, width, depth) => {
      if (width < 0.15 || bars.length >= MOST_BARS) return;
      deepest = Math.max(deepest, depth);
      const part = this.root.weight ? (100 * each.weight) / this.root.weight : 0;
      const words = `${each.name}${each.line ? `, line ${each.line}` : ""}: ${milliseconds(each.weight)}, ${part.toFixed(1)} %`;
      const bar = h("button", { type: "button", class: `f-${hueOf(each.name)}`, title: words, "aria-label": words, onclick: () => this.zoom(each) },
        visible(each.name));
      bar.style.left = `${left}%`;
      bar.style.width = `${width}%`;
      bar.style.top = `${depth * 24}px`;
      bars.push(bar);
      let at = left;
      for (const child of [...each.children.values()].sort((one, other) => other.weight - one.weight)) {
        const share = each.weight ? (width * child.weight) / each.weight : 0;
        draw(child, at, share, depth + 1);
        at += share;
      }
    };
    draw(node, 0, 100, 0);
    this.area.style.height = `${(deepest + 1) * 24}px`;
    put(this.area, bars);
    this.words.textContent = this.root.weight
      ? `${node === this.root ? "Everything" : node.name}: ${milliseconds(node.weight)} of ${milliseconds(this.root.weight)}.${this.note}`
      : "It was over before the profiler took a sample.";
  }
}

function hueOf(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 997;
  return sum % 6;
}

// -- steps ----------------------------------------------------------------------------------------------------

// The run as it was recorded, walked forwards and backwards. A step tells what changed; what is known then is added up.
class Steps {
  constructor(steps, source, language) {
    this.steps = steps;
    this.breakpoints = new Set();
    this.states = [];
    this.at = 0;
    this.lineElements = new Map();
    this.where = h("p", { class: "step-where", role: "status", "aria-live": "polite" });
    this.variables = h("div", { class: "variables", tabindex: "0", role: "region", "aria-label": "Variables" });
    this.slider = h("input", {
      type: "range", min: "0", max: String(steps.length - 1), value: "0", "aria-label": "Step",
      oninput: () => this.go(Number(this.slider.value)),
    });
    const button = (shape, hint, act) => h("button", { type: "button", title: hint, "aria-label": hint, onclick: act },
      s("svg", { viewBox: "0 0 16 16", width: "16", height: "16", "aria-hidden": "true" }, s("path", { d: shape })));
    const controls = h("div", { class: "step-controls", role: "group", "aria-label": "Walk through the steps" },
      button("M2 2h2v12H2zM14 2v12L5 8z", "First step", () => this.go(0)),
      button("M8 2v12L1 8zM15 2v12L8 8z", "Back to the breakpoint before", () => this.#toBreakpoint(-1)),
      button("M12 2v12L3 8z", "One step back", () => this.go(this.at - 1)),
      button("M4 2v12l9-6z", "One step on", () => this.go(this.at + 1)),
      button("M2 9a6 6 0 0 1 10.5-3.900L14.5 3v6h-6l2.3-2.400A3.6 3.6 0 0 0 4.400 9zM6.5 12h3v3h-3z", "On, over what is called", () => this.#over()),
      button("M8 2v12l7-6zM1 2v12l7-6z", "On to the next breakpoint", () => this.#toBreakpoint(1)),
      button("M12 2h2v12h-2zM2 2v12l9-6z", "Last step", () => this.go(steps.length - 1)), this.slider);
    this.element = h("div", { class: "steps" }, controls, this.where,
      h("div", { class: "steps-body" }, this.#source(source, language), this.variables),
      h("p", { class: "muted small" }, "Arrow keys go back and on; a click on a line's number sets a breakpoint."));
    this.element.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (!step || event.target === this.slider) return;
      event.preventDefault();
      this.go(this.at + step);
    });
    this.go(0);
  }

  #source(source, language) {
    if (!source) return h("p", { class: "muted" }, "The source is not shown: this tenant's code is not kept.");
    const rows = lines(source, language).slice(0, MOST_LINES).map((nodes, index) => {
      const number = index + 1;
      const toggle = h("button", {
        type: "button", class: "number", "aria-label": `Breakpoint on line ${number}`, "aria-pressed": "false", onclick: () => this.#toggle(number, toggle),
      }, number);
      const row = h("span", { class: "code-line" }, toggle, h("span", { class: "code-text" }, nodes, "\n"));
      this.lineElements.set(number, row);
      return row;
    });
    this.code = h("pre", { class: "excerpt steps-code", tabindex: "0", role: "region", "aria-label": "Source" }, rows);
    return this.code;
  }

  #toggle(number, button) {
    const isSet = !this.breakpoints.delete(number);
    if (isSet) this.breakpoints.add(number);
    button.setAttribute("aria-pressed", String(isSet));
  }

  #toBreakpoint(direction) {
    let at = this.at + direction;
    while (at > 0 && at < this.steps.length - 1 && !this.breakpoints.has(this.steps[at].position.line)) at += direction;
    this.go(at);
  }

  #over() {
    const { depth } = this.steps[this.at];
    let at = this.at + 1;
    while (at < this.steps.length - 1 && this.steps[at].depth > depth) at += 1;
    this.go(at);
  }

  go(step) {
    this.at = Math.max(0, Math.min(this.steps.length - 1, step));
    const { event, position, depth, changed = [], value } = this.steps[this.at];
    this.slider.value = String(this.at);
    put(this.where, `Step ${this.at + 1} of ${this.steps.length}: line ${position.line}`,
      position.function && [" in ", theirs(position.function, { class: "theirs mono" })], depth > 0 && `, ${depth} deep`,
      event === "return" && ", returns ", event === "throw" && ", throws ", event !== "line" && value && valueView(value));
    this.here?.classList.remove("here");
    this.here = this.lineElements.get(position.line);
    this.here?.classList.add("here");
    if (this.here && this.code) {
      const above = this.here.offsetTop;
      if (above < this.code.scrollTop || above > this.code.scrollTop + this.code.clientHeight - 40) this.code.scrollTop = above - 80;
    }
    this.#draw(this.#known(this.at), new Set(changed.map(({ name }) => name)));
  }

  // The calls at a step, outermost first: [{name, depth, variables}]. A step tells what changed since the one before it.
  #known(step) {
    const frames = [];
    for (let at = 0; at <= step; at += 1) {
      const { event, position, depth = 0, changed = [] } = this.steps[at];
      const name = position.function ?? "";
      while (frames.length && (frames.at(-1).depth > depth || (frames.at(-1).depth === depth && (frames.at(-1).name !== name || frames.at(-1).isOver)))) frames.pop();
      if (!frames.length || frames.at(-1).depth < depth) frames.push({ name, depth, isOver: false, variables: new Map() });
      for (const variable of changed) frames.at(-1).variables.set(variable.name, variable.value);
      frames.at(-1).isOver = event === "return" || event === "throw";
    }
    return frames;
  }

  #draw(frames, changed) {
    put(this.variables, frames.reverse().map(({ name, variables }, index) => h("table", { class: "figures" },
      h("caption", null, theirs(name || "(top)", { class: "theirs mono" })),
      h("tbody", null, variables.size ? [...variables].map(([variable, value]) =>
        h("tr", { class: index === 0 && changed.has(variable) ? "changed" : null },
          h("th", { scope: "row" }, theirs(variable, { class: "theirs mono" })), h("td", null, valueView(value))))
        : h("tr", null, h("td", { class: "muted" }, "no variables"))))));
  }
}

