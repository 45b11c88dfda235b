// The list of jobs: filters and search are in the address, so that a view can be kept and shared.

import { call } from "./api.js";
import { h, put, tell, theirs } from "./dom.js";
import { ago, milliseconds, moment, words } from "./format.js";
import { OUTCOMES } from "./overview.js";

const AGAIN_MS = 2000;
const SPANS = { "": "any time", 900: "15 minutes", 3600: "an hour", 86400: "a day", 604800: "a week" };

export function badge(job) {
  const name = job.outcome ?? job.state;
  return h("span", { class: `badge c-${name}` }, words(name));
}

const option = (value, text, chosen) => h("option", { value, selected: String(value) === String(chosen) }, text);

export class Jobs {
  constructor(app, asked) {
    this.app = app;
    this.asked = asked;
    this.jobs = [];
    this.cursor = null;
    this.more = 0;
    this.isOperator = app.live.hello?.scopes.includes("admin") ?? false;
    this.rows = h("tbody");
    this.status = h("p", { class: "muted", role: "status", "aria-live": "polite" });
    this.problem = h("p", { class: "problem", role: "alert", hidden: true });
    this.older = h("button", { type: "button", onclick: () => this.#loadMore(), hidden: true }, "Older jobs");
    this.following = h("input", { type: "checkbox", id: "follow", checked: true });
    this.table = h("table", { class: "jobs" },
      h("caption", { class: "unseen" }, "Jobs, newest first"),
      h("thead", null, h("tr", null, ["how it is", "job", "runtime", this.isOperator && "tenant", "accepted", "took", "metadata"]
        .filter(Boolean).map((name) => h("th", { scope: "col" }, name)))), this.rows);
    this.element = h("div", null, h("h1", null, "Jobs"), this.#form(), this.problem,
      h("div", { class: "card flush" }, this.table), this.status, this.older);
    this.#load();
    this.timer = setInterval(() => this.#again(), AGAIN_MS);
  }

  leave() { clearInterval(this.timer); }

  #form() {
    const { asked } = this;
    const runtimes = this.app.runtimes.map((each) => each.name);
    const search = h("input", {
      type: "search", id: "search", name: "search", value: asked.get("search") ?? "", maxlength: "200",
      placeholder: "id, or anything in the metadata", autocomplete: "off", spellcheck: "false",
    });
    const field = (label, name, options) => h("label", null, h("span", null, label),
      h("select", { name, onchange: () => this.#ask() }, options));
    this.form = h("form", { class: "filters", role: "search", "aria-label": "Jobs", onsubmit: (event) => { event.preventDefault(); this.#ask(); } },
      h("label", { class: "wide" }, h("span", null, "Search"), search),
      field("State", "state", ["", "queued", "running", "finished"].map((each) => option(each, each || "any", asked.get("state") ?? ""))),
      field("Outcome", "outcome", ["", ...OUTCOMES].map((each) => option(each, words(each) || "any", asked.get("outcome") ?? ""))),
      field("Runtime", "runtime", ["", ...runtimes].map((each) => option(each, each || "any", asked.get("runtime") ?? ""))),
      field("Since", "span", Object.entries(SPANS).sort((one_, other) => one_[0] - other[0])
        .map(([value, text]) => option(value, text, asked.get("span") ?? ""))),
      this.isOperator && h("label", null, h("span", null, "Tenant"),
        h("input", { name: "tenant", value: asked.get("tenant") ?? "", maxlength: "64", placeholder: "any", size: "10" })),
      h("button", { type: "submit" }, "Search"),
      h("label", { class: "check" }, this.following, h("span", null, "Follow")));
    let wait;
    search.addEventListener("input", () => { clearTimeout(wait); wait = setTimeout(() => this.#ask(), 350); });
    return this.form;
  }

  #ask() {
    const asked = new URLSearchParams([...new FormData(this.form)].filter(([, value]) => value !== ""));
    this.asked = asked;
    // Replaced, so that typing does not fill the history; the page stays, and so does the focus.
    history.replaceState(null, "", `#/jobs${asked.size ? `?${asked}` : ""}`);
    this.#load();
  }

  #query() {
    const query = Object.fromEntries(this.asked);
    if (query.span) query.since = Date.now() / 1000 - Number(query.span);
    delete query.span;
    return { ...query, limit: 50 };
  }

  async #load({ quietly = false } = {}) {
    this.more += 1;
    const turn = this.more;
    try {
      const page = await call("GET", "/v1/jobs", { query: this.#query() });
      if (turn !== this.more) return;
      this.jobs = page.jobs;
      this.cursor = page.next_cursor;
      this.problem.hidden = true;
      this.#draw();
      if (!quietly) tell(`${this.jobs.length} jobs`);
    } catch (error) {
      if (turn === this.more) this.#fail(error);
    }
  }

  async #loadMore() {
    this.following.checked = false;
    try {
      const page = await call("GET", "/v1/jobs", { query: { ...this.#query(), cursor: this.cursor } });
      this.jobs = this.jobs.concat(page.jobs);
      this.cursor = page.next_cursor;
      this.#draw();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error) {
    if (this.app.failed(error)) return;
    this.problem.hidden = false;
    put(this.problem, error.message);
  }

  #again() {
    if (!this.following.checked || document.hidden) return;
    this.#load({ quietly: true });
  }

  #draw() {
    const had = this.rows.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    put(this.rows, this.jobs.map((job) => this.#row(job)));
    if (had) [...this.rows.querySelectorAll("a")].find((link) => link.getAttribute("href") === had)?.focus();
    const searching = this.asked.size > 0;
    this.status.textContent = this.jobs.length ? `${this.jobs.length} shown${this.cursor ? ", there are more" : ""}`
      : searching ? "No job fits." : "No jobs yet. The playground makes one.";
    this.older.hidden = !this.cursor;
  }

  #row(job) {
    const took = job.finished_at && job.started_at ? milliseconds((job.finished_at - job.started_at) * 1000) : "–";
    const cell = (name, ...content) => h("td", { "data-label": name }, ...content);
    return h("tr", { "data-job": job.id },
      cell("how it is", badge(job)),
      cell("job", h("a", { href: `#/jobs/${job.id}`, class: "mono" }, job.id.slice(0, 12))),
      cell("runtime", job.runtime),
      this.isOperator && cell("tenant", theirs(job.tenant)),
      cell("accepted", h("time", { datetime: new Date(job.accepted_at * 1000).toISOString(), title: moment(job.accepted_at) }, ago(job.accepted_at))),
      cell("took", took),
      cell("metadata", metadata(job.metadata)));
  }
}

export function metadata(values) {
  const entries = Object.entries(values);
  if (!entries.length) return null;
  return h("ul", { class: "chips" }, entries.map(([name, value]) =>
    h("li", null, theirs(name, { class: "theirs chip-name" }), theirs(value))));
}
