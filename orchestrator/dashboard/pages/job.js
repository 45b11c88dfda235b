// One job: how it went, where its time went, what it said, what it used, and what debug mode saw.

import { call, events, pause } from "./api.js";
import { badge, metadata } from "./jobs.js";
import { debugViews } from "./debug.js";
import { h, put, save, tell, theirs, visible } from "./dom.js";
import { ago, bytes, milliseconds, moment, words } from "./format.js";
import { code, languageOf, lines } from "./highlight.js";

const MOST_SHOWN = 100_000;
const STEPS = [
  ["validated_ms", "validate", "until the code was looked at"], ["queued_ms", "queue", "until it left the queue"],
  ["leased_ms", "container", "until it had its container"], ["dispatched_ms", "send", "until it was written to the runner"],
  ["first_byte_ms", "to first byte", "until the runner was first heard of"],
  ["executed_ms", "to the end", "until it ended, or was ended"], ["collected_ms", "collect", "until its result was complete"],
];

export class JobPage {
  // `request` is what the playground asked for; `embedded` makes its heading one of a part of the page.
  constructor(app, id, { request = null, embedded = false } = {}) {
    this.app = app;
    this.id = id;
    this.gone = new AbortController();
    this.request = request;
    this.heading = embedded ? "h2" : "h1";
    this.embedded = embedded;
    this.printed = { stdout: "", stderr: "" };
    this.element = h("div", null, h(this.heading, null, "Job ", h("span", { class: "mono" }, id.slice(0, 12))), h("p", { class: "muted" }, "Loading…"));
    this.#run();
  }

  leave() { this.gone.abort(); }

  async #run() {
    try {
      this.job = await call("GET", `/v1/jobs/${this.id}`);
      await this.#askForCode();
      this.#draw();
      await this.#follow();
    } catch (error) {
      if (this.gone.signal.aborted || this.app.failed(error)) return;
      put(this.element, h(this.heading, null, "Job"), h("p", { class: "problem", role: "alert" }, error.message));
    }
  }

  async #askForCode() {
    if (!this.request) this.request = (await call("GET", `/v1/jobs/${this.id}/request`)).request;
  }

  // Until it has finished: what it prints as it prints it, then the whole job again.
  async #follow() {
    while (this.job.state !== "finished" && !this.gone.signal.aborted) {
      try {
        for await (const event of events(`/v1/jobs/${this.id}/events`, { signal: this.gone.signal })) {
          if (event.name === "stdout" || event.name === "stderr") this.#print(event);
          if (event.name === "status" && event.data.state === "running" && this.job.state === "queued") {
            this.job.state = "running";
            this.#draw();
          }
        }
      } catch (error) {
        if (this.gone.signal.aborted || this.app.failed(error)) return;
        await pause(1000);
      }
      this.printed = { stdout: "", stderr: "" };
      const before = this.job.state;
      this.job = await call("GET", `/v1/jobs/${this.id}`);
      if (this.job.state === "finished") tell(`The job has finished: ${words(this.job.outcome)}`);
      else await pause(300);
      if (before !== this.job.state) this.#draw();
    }
  }

  #print(event) {
    this.printed[event.name] = (this.printed[event.name] + event.data.text).slice(-MOST_SHOWN);
    const place = this.element.querySelector(`[data-stream=${event.name}]`);
    if (place) put(place, visible(this.printed[event.name]));
    else this.#draw();
  }

  #draw() {
    const { job } = this;
    const hadFocus = document.activeElement?.id === "cancel";
    put(this.element, this.#head(), h("div", { class: "result" }, resultView({
      job, result: job.result, request: this.request, printed: this.printed,
    })));
    if (hadFocus) this.element.querySelector("[tabindex]").focus();
  }

  #head() {
    const { job } = this;
    const facts = [
      ["runtime", job.runtime], ["tenant", theirs(job.tenant)], ["class", job.priority],
      ["accepted", h("time", { title: moment(job.accepted_at) }, ago(job.accepted_at))],
      job.attempts > 1 && ["attempts", job.attempts],
      job.position && ["place in the queue", job.position],
      job.estimated_start_ms !== null && ["starts in about", milliseconds(job.estimated_start_ms)],
    ].filter(Boolean);
    return h("div", { class: "job-head" },
      h(this.heading, { tabindex: "-1", class: "job-title" }, "Job ", this.#name(), " ", badge(job)),
      h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))),
      metadata(job.metadata),
      h("div", { class: "actions" },
        job.state !== "finished" && this.app.may("execute")
          && h("button", { type: "button", id: "cancel", class: "danger", onclick: (event) => this.#cancel(event.target) }, "Cancel this job"),
        this.request && !this.embedded && this.app.may("execute")
          && h("button", { type: "button", onclick: () => this.app.openInPlayground(job, this.request) }, "Open in the playground"),
        h("button", { type: "button", class: "quiet", onclick: () => this.#copy() }, "Copy its id")));
  }

  #name() {
    const { id } = this.job;
    return this.embedded ? h("a", { class: "mono", href: `#/jobs/${id}` }, id.slice(0, 12)) : h("span", { class: "mono" }, id.slice(0, 12));
  }

  async #cancel(button) {
    button.disabled = true;
    button.textContent = "Cancelling…";
    try {
      this.job = await call("DELETE", `/v1/jobs/${this.id}`);
      this.#draw();
      tell(`The job is ${words(this.job.outcome ?? this.job.state)}`);
    } catch (error) {
      if (this.app.failed(error)) return;
      button.disabled = false;
      button.textContent = "Cancel this job";
      this.app.warn(error.message);
    }
  }

  async #copy() {
    try { await navigator.clipboard.writeText(this.id); tell("Copied"); } catch { tell(this.id); }
  }
}

// -- a result, here and in the playground ---------------------------------------------------------------------

export function resultView({ job, result, request, printed }) {
  if (!result) {
    return [job.state === "finished" && h("p", { class: "card" }, "Its result is not kept any more."),
      ...["stdout", "stderr"].map((name) => stream(name, { text: printed?.[name] ?? "" }))];
  }
  return [
    result.error && errorView(result.error, request, job.runtime),
    result.limit && limitView(result.limit),
    findingsView(result.findings, request, job.runtime),
    outputView(result),
    h("div", { class: "pair" }, stream("stdout", result.stdout), stream("stderr", result.stderr)),
    filesView(result.files),
    debugViews(result.debug, request?.code, job),
    h("div", { class: "pair" }, waterfall(result.timing), used(job, result)),
    h("div", { class: "pair" }, receipt(result, job), asked(request, job)),
  ];
}

const section = (title, ...content) => h("section", { class: "card" }, h("h2", null, title), ...content);

// A few lines of the source with one of them marked.
export function excerpt(source, language, line, column, around = 3) {
  const all = lines(source, language);
  if (!line || line > all.length) return null;
  const from = Math.max(1, line - around);
  const shown = all.slice(from - 1, line + around);
  return h("pre", { class: "excerpt", tabindex: "0", role: "region", "aria-label": `Source around line ${line}` }, shown.map((nodes, index) => {
    const number = from + index;
    return h("span", { class: number === line ? "code-line here" : "code-line" },
      h("i", { class: "number" }, number), h("span", { class: "code-text" }, nodes, "\n"),
      number === line && column && h("span", { class: "caret", "aria-hidden": "true" }, `${" ".repeat(Math.min(column - 1, 400))}↑\n`));
  }));
}

function errorView(error, request, runtime) {
  const where = error.line ? ` at line ${error.line}${error.column ? `, column ${error.column}` : ""}` : "";
  return h("section", { class: "card bad", "aria-label": "Error" },
    h("h2", null, theirs(error.name), h("small", null, where)),
    h("p", { class: "message" }, theirs(error.message)),
    error.line && (request ? excerpt(request.code, languageOf(runtime), error.line, error.column)
      : h("p", { class: "muted small" }, "The source line is not shown: this tenant's code is not kept.")),
    error.stack && h("details", null, h("summary", null, "Stack trace"), h("pre", { class: "text", tabindex: "0" }, visible(error.stack))));
}

function limitView(limit) {
  const show = unitOf(limit.name);
  return h("p", { class: "card bad" }, `It was ended by its limit of ${words(limit.name.replace(/_(ms|bytes)$/, ""))}: `
    + `${show(limit.configured)} allowed, ${limit.observed === null ? "and it wanted more" : `${show(limit.observed)} seen`}.`);
}

function findingsView(findings, request, runtime) {
  if (!findings.length) return null;
  return section("What the validator says", h("ul", { class: "findings" }, findings.map((finding) =>
    h("li", { class: finding.severity }, h("b", null, `line ${finding.line}`), " ", theirs(finding.message),
      " ", h("span", { class: "muted small" }, finding.rule)))),
  request && excerpt(request.code, languageOf(runtime), findings[0].line, findings[0].column, 1));
}

function outputView(result) {
  if (!result.success && result.output === null) return null;
  const text = JSON.stringify(result.output, null, 2) ?? "null";
  const cut = text.length > MOST_SHOWN;
  return section("Output",
    h("pre", { class: "text", tabindex: "0", "data-part": "output" }, code(cut ? text.slice(0, MOST_SHOWN) : text, "json")),
    cut && h("p", { class: "muted small" }, `The first ${bytes(MOST_SHOWN)} of ${bytes(text.length)} are shown.`),
    cut && h("button", { type: "button", onclick: () => save("output.json", text, "application/json") }, "Save all of it"));
}

function stream(name, { text, bytes_total: all, truncated }) {
  const shown = text ? h("pre", { class: "text", tabindex: "0", "data-stream": name }, visible(text.slice(0, 2 * MOST_SHOWN)))
    : h("p", { class: "muted" }, "Nothing.");
  return section(name, shown, truncated && h("p", { class: "muted small" }, `Head and tail of ${bytes(all)} are kept.`));
}

function filesView(files) {
  const entries = Object.entries(files ?? {});
  if (!entries.length) return null;
  return section("Files that it left", h("ul", { class: "chips" }, entries.map(([name, data]) =>
    h("li", null, theirs(name), h("span", null, bytes(Math.floor((data.length * 3) / 4)))))));
}

function waterfall(timing) {
  let from = 0;
  const all = Math.max(0.001, ...STEPS.map(([key]) => timing[key] ?? 0));
  const rows = STEPS.filter(([key]) => timing[key] !== null && timing[key] !== undefined).map(([key, name, meaning]) => {
    const until = Math.max(from, timing[key]);
    const bar = h("i", { class: `fall c-${key}`, "aria-hidden": "true" });
    bar.style.left = `${(100 * from) / all}%`;
    bar.style.width = `${Math.max(0.4, (100 * (until - from)) / all)}%`;
    const row = h("div", { title: meaning }, h("dt", null, name), h("dd", null, h("span", { class: "track" }, bar), h("span", null, milliseconds(until - from))));
    from = until;
    return row;
  });
  return section("Where its time went", h("dl", { class: "waterfall" }, rows),
    h("p", { class: "muted small" }, `${milliseconds(timing.total_ms)} altogether`));
}

const unitOf = (name) => (name.endsWith("_ms") ? milliseconds : name.endsWith("_bytes") ? bytes : String);

function used(job, result) {
  const { usage } = result;
  const observed = {
    wall_time_ms: usage.wall_ms, cpu_time_ms: usage.cpu_ms, memory_bytes: usage.memory_peak_bytes,
    output_bytes: Math.max(result.stdout.bytes_total, result.stderr.bytes_total),
  };
  if (result.limit && result.limit.observed !== null) observed[result.limit.name] = result.limit.observed;
  const limits = job.limits ?? {};
  const names = [...new Set([...Object.keys(limits), ...Object.keys(observed)])];
  const rows = names.map((name) => {
    const show = unitOf(name);
    const seen = observed[name] ?? null;
    const most = limits[name] ?? null;
    const part = seen !== null && most ? Math.min(1, seen / most) : 0;
    const fill = h("i", { class: result.limit?.name === name ? "fill full" : "fill", "aria-hidden": "true" });
    fill.style.width = `${part * 100}%`;
    return h("tr", null, h("th", { scope: "row" }, words(name.replace(/_(ms|bytes)$/, "").replace("output", "output stream"))),
      h("td", null, seen === null ? h("span", { class: "muted" }, "not measured") : show(seen)),
      h("td", null, most === null ? "–" : show(most)),
      h("td", { class: "gauge" }, h("span", { class: "track" }, fill)));
  });
  return section("What it used", h("table", { class: "figures" },
    h("thead", null, h("tr", null, ["what", "observed", "limit", "share"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", null, rows)));
}

function receipt(result, job) {
  const { container } = result;
  const facts = container ? [
    ["id", h("span", { class: "mono" }, container.id.slice(0, 12))],
    ["stood ready", container.warm ? "yes" : "no, it was made for this job"],
    ["used before", container.reused ? "yes, by this tenant" : "never"],
    ["image", h("span", { class: "mono small" }, container.image_digest)],
    ["seccomp profile", h("span", { class: "mono small" }, container.profile_digest)],
  ] : [];
  const end = [
    result.exit_code !== null && ["exit code", result.exit_code], result.signal !== null && ["signal", result.signal],
    result.usage.oom_kills > 0 && ["ended by the kernel for memory", result.usage.oom_kills],
    ["code", h("span", { class: "mono small", title: job.code_sha256 }, `sha256:${job.code_sha256.slice(0, 16)}…`)],
    ["input", h("span", { class: "mono small", title: job.input_sha256 }, `sha256:${job.input_sha256.slice(0, 16)}…`)],
  ].filter(Boolean);
  return section("Its container", container ? null : h("p", { class: "muted" }, "It had none."),
    h("dl", { class: "rows" }, [...facts, ...end].map(([name, value]) => h("div", null, h("dt", null, name), h("dd", null, value)))));
}

function asked(request, job) {
  if (!request) return section("Its code", h("p", { class: "muted" }, "Not kept: only its hash is. A tenant with keep_code has it kept."));
  return section("Its code", h("pre", { class: "text tall", tabindex: "0" }, code(request.code.slice(0, MOST_SHOWN), languageOf(job.runtime))),
    request.code.length > MOST_SHOWN && h("p", { class: "muted small" }, `The first ${bytes(MOST_SHOWN)} of ${bytes(request.code.length)} are shown.`),
    request.mode === "function" ? h("details", null, h("summary", null, "Input"),
      h("pre", { class: "text", tabindex: "0" }, code(request.input_json.slice(0, MOST_SHOWN), "json"))) : null);
}
