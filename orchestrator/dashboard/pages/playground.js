// The playground: write, see what the validator says while typing, run, look at the result.

import { call } from "./api.js";
import { Editor } from "./editor.js";
import { h, put, theirs } from "./dom.js";
import { bytes, milliseconds, words } from "./format.js";
import { languageOf } from "./highlight.js";
import { JobPage } from "./job.js";

const CHECK_AFTER_MS = 350;
const EXAMPLES = {
  javascript: "// The JSON value `input` comes in, the JSON value `output` goes out.\n"
    + "const words = input.text.split(/\\s+/);\n\n"
    + "output = {\n  words: words.length,\n  longest: words.reduce((one, other) => (other.length > one.length ? other : one)),\n};\n",
  python: "# The JSON value `input` comes in, the JSON value `output` goes out.\n"
    + "words = input[\"text\"].split()\n\n"
    + "output = {\n    \"words\": len(words),\n    \"longest\": max(words, key=len),\n}\n",
};
const INPUT = "{\"text\": \"never used and already warm\"}";
const LIMITS = ["wall_time_ms", "cpu_time_ms", "memory_bytes", "output_bytes", "processes", "disk_bytes"];
const SWITCHES = { console: "console", stack_traces: "stack traces", profile: "profile", steps: "steps" };

export class Playground {
  constructor(app) {
    this.app = app;
    this.draft = app.draft ??= { runtime: app.runtimes[0]?.name, mode: "function", code: null, input: INPUT, stdin: "", limits: {}, debug: {} };
    const language = languageOf(this.draft.runtime ?? "");
    this.draft.code ??= EXAMPLES[language] ?? "";
    this.draft.stdin ??= "";
    this.editor = new Editor({
      label: "Code", id: "code", value: this.draft.code, language, rows: 16, onchange: () => { this.draft.code = this.editor.value; this.#checkSoon(); },
    });
    this.input = new Editor({
      label: "Input, a JSON value", id: "input", value: this.draft.input, language: "json", rows: 5,
      onchange: () => {
        this.draft[this.#isProgram() ? "stdin" : "input"] = this.input.value;
        this.#parseInput();
      },
    });
    this.inputProblem = h("p", { class: "problem small", role: "status", "aria-live": "polite" });
    this.findings = h("div", { class: "check", role: "status", "aria-live": "polite" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.run = h("button", { type: "submit", class: "primary", disabled: !app.may("execute") }, "Run");
    this.result = h("div", { class: "result", "aria-label": "Result", role: "region" },
      h("p", { class: "card empty" }, "The result comes here."));
    this.element = h("div", null, h("h1", null, "Playground"), h("div", { class: "playground" }, this.#form(), this.result));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) { event.preventDefault(); this.#run(); }
    });
    this.#checkSoon();
  }

  leave() {
    clearTimeout(this.timer);
    this.checking?.abort();
    this.page?.leave();
  }

  #form() {
    const { app, draft } = this;
    const runtime = h("select", { id: "runtime", onchange: () => this.#useRuntime(runtime.value) },
      app.runtimes.map(({ name, language, version }) => h("option", { value: name, selected: name === draft.runtime }, `${name} (${language} ${version})`)));
    this.mode = h("select", { id: "mode", onchange: () => this.#useMode(this.mode.value) });
    this.inputName = h("h2", null, "Input");
    this.inputCard = h("div", null, this.inputName, this.input.element, this.inputProblem);
    this.#drawModes();
    this.limits = h("div", { class: "limits" });
    this.#drawLimits();
    return h("form", { class: "card playground-form", onsubmit: (event) => { event.preventDefault(); this.#run(); } },
      h("div", { class: "bar-of-fields" },
        h("label", null, h("span", null, "Runtime"), runtime), h("label", null, h("span", null, "Mode"), this.mode),
        h("span", { class: "spring" }), this.run, h("kbd", null, "Ctrl + Enter")),
      this.editor.element, this.findings, this.inputCard,
      h("details", null, h("summary", null, "Limits"), this.limits),
      app.live.hello?.debug && this.#switches(), this.problem);
  }

  #switches() {
    return h("fieldset", { class: "switches" }, h("legend", null, "Debug"), Object.entries(SWITCHES).map(([name, label]) =>
      h("label", { class: "check-box" }, h("input", {
        type: "checkbox", name: `debug-${name}`, checked: Boolean(this.draft.debug[name]),
        onchange: (event) => { this.draft.debug[name] = event.target.checked; },
      }), h("span", null, label))));
  }

  #runtime() { return this.app.runtimes.find((each) => each.name === this.draft.runtime); }

  #useRuntime(name) {
    const before = languageOf(this.draft.runtime);
    const now = languageOf(name);
    this.draft.runtime = name;
    if (before !== now && this.draft.code === (EXAMPLES[before] ?? "")) this.editor.value = this.draft.code = EXAMPLES[now] ?? "";
    this.editor.use(now);
    this.#drawModes();
    this.#drawLimits();
    this.#checkSoon();
  }

  #isProgram() { return this.draft.mode === "program"; }

  // A runtime offers one mode or both; a program has standard input instead of a JSON value.
  #drawModes() {
    const modes = this.#runtime()?.modes ?? ["function", "program"];
    if (!modes.includes(this.draft.mode)) [this.draft.mode] = modes;
    put(this.mode, modes.map((name) => h("option", { value: name, selected: name === this.draft.mode }, name)));
    this.#drawInput();
  }

  #useMode(mode) {
    this.draft.mode = mode;
    this.#drawInput();
    this.#checkSoon();
  }

  #drawInput() {
    this.inputName.textContent = this.#isProgram() ? "Standard input" : "Input";
    this.input.area.setAttribute("aria-label", this.#isProgram() ? "Standard input" : "Input, a JSON value");
    this.input.use(this.#isProgram() ? "other" : "json");
    this.input.value = this.#isProgram() ? this.draft.stdin : this.draft.input;
    this.inputProblem.textContent = "";
  }

  #drawLimits() {
    const runtime = this.#runtime();
    put(this.limits, LIMITS.map((name) => {
      const normal = runtime?.default_limits[name];
      const most = runtime?.maximum[name];
      const show = name.endsWith("_ms") ? milliseconds : name.endsWith("_bytes") ? bytes : String;
      return h("label", null, h("span", null, words(name).replace(/ ms$/, ", ms").replace(/ bytes$/, ", bytes")),
        h("input", {
          type: "number", min: "1", max: most, inputmode: "numeric", placeholder: normal, value: this.draft.limits[name] ?? "",
          oninput: (event) => { this.draft.limits[name] = event.target.value; },
        }), h("small", { class: "muted" }, normal === undefined ? "" : `${show(normal)}, ${show(most)} at most`));
    }));
  }

  #parseInput() {
    if (this.#isProgram()) return true;
    try {
      JSON.parse(this.draft.input);
      this.inputProblem.textContent = "";
      return true;
    } catch (error) {
      put(this.inputProblem, "The input is no JSON: ", theirs(error.message));
      return false;
    }
  }

  // -- while typing ---------------------------------------------------------------------------------------

  #checkSoon() {
    clearTimeout(this.timer);
    if (this.app.may("execute")) this.timer = setTimeout(() => this.#check(), CHECK_AFTER_MS);
  }

  async #check() {
    this.checking?.abort();
    this.checking = new AbortController();
    const { signal } = this.checking;
    const { runtime, code, mode } = this.draft;
    try {
      const report = await call("POST", "/v1/check", { body: { runtime, code, mode }, signal });
      if (signal.aborted || code !== this.draft.code) return;
      this.editor.mark(report.findings);
      this.#drawReport(report);
    } catch (error) {
      if (signal.aborted || this.app.failed(error)) return;
      put(this.findings, h("p", { class: "muted small" }, `Not checked: ${error.message}`));
    }
  }

  #drawReport({ findings, rejected, code_changes: changes }) {
    const rows = findings.map((finding) => h("li", { class: finding.severity },
      h("button", { type: "button", class: "link", onclick: () => this.editor.goTo(finding.line, finding.column) },
        `line ${finding.line}, column ${finding.column}`),
      " ", theirs(finding.message), " ", h("span", { class: "muted small" }, finding.rule)));
    const words_ = rejected ? "It would be rejected:" : findings.length ? "It may run; to be noted:" : "The validator has nothing to say.";
    put(this.findings, h("p", { class: rejected ? "verdict reject" : "verdict" }, words_),
      rows.length ? h("ul", { class: "findings" }, rows) : null,
      changes.length ? h("p", { class: "muted small" }, "Changed before it runs: ", changes.map((each, index) => [index ? "; " : "", theirs(each)])) : null);
  }

  // -- running ----------------------------------------------------------------------------------------------

  async #run() {
    if (this.run.disabled) return;
    const { runtime, code, mode, limits, debug, input, stdin } = this.draft;
    if (!this.#parseInput()) { this.input.area.focus(); return; }
    const body = { runtime, code, mode, limits: {} };
    for (const [name, text] of Object.entries(limits)) if (text !== "") body.limits[name] = Number(text);
    if (mode === "program" && stdin) body.stdin = stdin;
    if (Object.values(debug).some(Boolean)) body.debug = debug;
    this.run.disabled = true;
    this.problem.hidden = true;
    this.page?.leave();
    try {
      const job = await call("POST", "/v1/jobs", { body, input: mode === "function" ? input : undefined });
      const request = { code, mode, input_json: input };
      this.page = new JobPage(this.app, job.id, { request, embedded: true });
      put(this.result, this.page.element);
    } catch (error) {
      if (this.app.failed(error)) return;
      this.problem.hidden = false;
      put(this.problem, theirs(error.message));
    } finally {
      this.run.disabled = false;
    }
  }
}
