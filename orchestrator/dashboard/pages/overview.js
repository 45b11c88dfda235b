// The overview: the last five minutes, of the host for its operator, of its own jobs for a tenant.

import { BarList, Histogram, TimeChart, sparkline } from "./charts.js";
import { add, h, put } from "./dom.js";
import { bytes, count, milliseconds, percent, words } from "./format.js";
import { merged, percentile, total } from "./live.js";

const WINDOW = 10;
export const OUTCOMES = [
  "succeeded", "error", "rejected", "invalid_output", "wall_time_limit", "cpu_time_limit", "memory_limit",
  "process_limit", "disk_limit", "output_limit", "killed", "cancelled", "expired", "internal_error",
];
const STATES = ["leased", "warm", "kept", "inspecting", "provisioning", "retiring"];
const CLASSES = ["interactive", "normal", "batch"];

// Of each sample, `read` of all samples of the ten seconds before it: single seconds jump too much to be read.
function rolling(samples, pick, read) {
  return samples.map((_, index) => read(merged(samples.slice(Math.max(0, index - WINDOW + 1), index + 1).map(pick))));
}

function perSecond(samples, pick) {
  return samples.map((sample, index) => {
    const from = Math.max(0, index - WINDOW + 1);
    const seconds = index ? Math.max(1, sample.at - samples[from].at + 1) : 1;
    return samples.slice(from, index + 1).reduce((sum, each) => sum + pick(each), 0) / seconds;
  });
}

export class Overview {
  constructor(live) {
    this.live = live;
    this.isOperator = live.hello?.scopes.includes("admin") ?? false;
    this.tiles = h("div", { class: "tiles" });
    this.outcomes = new TimeChart({
      title: "Jobs per second, by outcome", stacked: true, least: 0.5, show: count,
      series: OUTCOMES.map((key) => ({ key, label: words(key), color: `c-${key}` })),
    });
    this.latency = new TimeChart({
      title: "Latency, from submission to result", show: milliseconds, least: 1,
      series: [["p50", "median", "c-one"], ["p95", "95 %", "c-two"], ["p99", "99 %", "c-three"]]
        .map(([key, label, color]) => ({ key, label, color })),
    });
    this.depth = new TimeChart({
      title: "Jobs waiting, by class", stacked: true, least: 5, show: count,
      series: CLASSES.map((key) => ({ key, label: key, color: `c-${key}` })),
    });
    this.waits = new TimeChart({
      title: "Wait in the queue, 95 %, by class", show: milliseconds, least: 1,
      series: CLASSES.map((key) => ({ key, label: key, color: `c-${key}` })),
    });
    this.memory = new Histogram({
      title: "Memory that jobs used", show: bytes, color: "c-one", empty: "No job has used memory yet.",
    });
    this.charts = [this.outcomes, this.latency, this.depth, this.waits, this.memory];
    if (this.isOperator) this.#addHost();
    this.quiet = h("p", { class: "card empty" }, "No figures yet. They come once a second.");
    this.grid = h("div", { class: "grid" }, this.charts.map((chart) => chart.element));
    this.element = h("div", null,
      h("h1", null, this.isOperator ? "This host" : "Your jobs", h("small", null, "the last five minutes, live")),
      this.quiet, this.tiles, this.grid);
    this.redraw = () => this.draw();
    live.addEventListener("sample", this.redraw);
    this.draw();
  }

  leave() { this.live.removeEventListener("sample", this.redraw); }

  #addHost() {
    this.containers = new TimeChart({
      title: "Containers, by state", stacked: true, least: 4, show: count,
      series: STATES.map((key) => ({ key, label: key, color: `c-${key}` })),
    });
    this.host = new TimeChart({
      title: "Host: processors and memory", least: 100, most: 100, show: percent,
      series: [{ key: "cpu", label: "processors", color: "c-one" }, { key: "memory", label: "memory", color: "c-two" }],
    });
    this.shelves = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Shelves" });
    this.shelfCard = h("section", { class: "card whole" }, h("h2", null, "Shelves"), this.shelves);
    this.retirements = new BarList({
      title: "Containers retired, by reason", empty: "None yet.", note: "since the service started",
    });
    this.refusals = new BarList({
      title: "Jobs refused, by reason", empty: "None: everything that came was taken.", note: "since the service started",
    });
    this.charts.splice(2, 0, this.containers, this.host);
    this.charts.push(this.retirements, this.refusals, { element: this.shelfCard });
  }

  draw() {
    const { samples } = this.live;
    this.quiet.hidden = samples.length > 0;
    this.tiles.hidden = this.grid.hidden = samples.length === 0;
    if (!samples.length) return;
    const times = samples.map((sample) => sample.at);
    this.#drawJobs(samples, times);
    if (this.isOperator) this.#drawHost(samples, times);
    this.#drawTiles(samples);
  }

  #drawJobs(samples, times) {
    const seen = OUTCOMES.filter((key) => samples.some((sample) => sample.jobs.outcomes[key]));
    this.rates = Object.fromEntries(OUTCOMES.map((key) =>
      [key, seen.includes(key) ? perSecond(samples, (sample) => sample.jobs.outcomes[key] ?? 0) : []]));
    this.outcomes.update(times, this.rates);
    this.outcomes.legend.querySelectorAll("li").forEach((item, index) => {
      item.hidden = !seen.includes(OUTCOMES[index]) && OUTCOMES[index] !== "succeeded";
    });
    const latency = (part) => rolling(samples, (sample) => sample.jobs.latency_ms, (steps) => percentile(steps, part));
    this.percentiles = { p50: latency(50), p95: latency(95), p99: latency(99) };
    this.latency.update(times, this.percentiles);
    const queued = (key) => samples.map((sample) => sample.queued?.[key] ?? null);
    this.depth.update(times, Object.fromEntries(CLASSES.map((key) => [key, queued(key)])));
    this.waits.update(times, Object.fromEntries(CLASSES.map((key) =>
      [key, rolling(samples, (sample) => sample.jobs.wait_ms[key] ?? [], (steps) => percentile(steps, 95))])));
    const memory = merged(samples.map((sample) => sample.jobs.memory_bytes));
    const jobs = memory.reduce((sum, [, each]) => sum + each, 0);
    this.memory.update(memory, `${count(jobs)} jobs: median ${bytes(percentile(memory, 50))}, `
      + `95 % up to ${bytes(percentile(memory, 95))}, most ${bytes(memory.at(-1)?.[0])}`);
  }

  #drawHost(samples, times) {
    const inState = (state) => samples.map((sample) =>
      Object.values(sample.containers ?? {}).reduce((sum, states) => sum + (states[state] ?? 0), 0));
    this.byState = Object.fromEntries(STATES.map((state) => [state, inState(state)]));
    this.containers.update(times, this.byState);
    this.containers.legend.querySelectorAll("li").forEach((item, index) => {
      item.hidden = !this.byState[STATES[index]].some(Boolean) && !["leased", "warm"].includes(STATES[index]);
    });
    this.host.update(times, {
      cpu: samples.map((sample) => sample.host?.cpu_percent ?? null),
      memory: samples.map((sample) =>
        (sample.host ? (100 * sample.host.memory_used_bytes) / sample.host.memory_total_bytes : null)),
    });
    const newest = samples.at(-1);
    this.retirements.update(Object.entries(newest.retirements ?? {}));
    this.refusals.update(Object.entries(newest.refusals ?? {}).map(([name, number]) => [words(name), number]));
    this.#drawShelves(newest);
  }

  #drawShelves(newest) {
    const runtimes = Object.keys(newest.containers ?? {});
    const row = (runtime) => h("tr", null, h("th", { scope: "row" }, runtime),
      h("td", null, newest.targets?.[runtime] ?? "–"),
      STATES.map((state) => h("td", null, newest.containers[runtime][state] ?? 0)));
    put(this.shelves, h("table", { class: "figures" },
      h("thead", null, h("tr", null, ["runtime", "target", ...STATES].map((name) => h("th", { scope: "col" }, name)))),
      h("tbody", null, runtimes.map(row))));
    const { leases = {} } = newest;
    add(this.shelves, h("p", { class: "muted small" },
      `Since the start: ${count(leases.warm)} jobs found a warm container, ${count(leases.cold)} did not`,
      leases.reused ? `, ${count(leases.reused)} were in one of their own tenant` : "", "."));
  }

  #drawTiles(samples) {
    const newest = samples.at(-1);
    const all = samples.map((_, index) => OUTCOMES.reduce((sum, key) => sum + (this.rates[key][index] ?? 0), 0));
    const finished = samples.reduce((sum, sample) => sum + total(sample.jobs.outcomes), 0);
    const succeeded = samples.reduce((sum, sample) => sum + (sample.jobs.outcomes.succeeded ?? 0), 0);
    const waiting = samples.map((sample) => total(sample.queued));
    const last = (values) => values.findLast((value) => value !== null && value !== undefined) ?? null;
    const tiles = [
      ["Jobs per second", count(all.at(-1)), `${count(finished)} in five minutes`, all, "c-one"],
      ["Succeeded", finished ? percent((100 * succeeded) / finished) : "–", `${count(finished - succeeded)} did not`, null, "c-succeeded"],
      ["Latency, median", milliseconds(last(this.percentiles.p50)), `95 %: ${milliseconds(last(this.percentiles.p95))}`,
        this.percentiles.p50, "c-one"],
      ["Waiting", count(total(newest.queued)), `${count(newest.running)} running`, waiting, "c-batch"],
    ];
    if (this.isOperator) {
      const now = (state) => this.byState[state].at(-1);
      tiles.push(
        ["Warm containers", count(now("warm")), `${count(now("leased"))} leased`, this.byState.warm, "c-warm"],
        ["Processors", percent(newest.host?.cpu_percent), `load ${newest.host?.load} on ${newest.host?.cpus}`,
          samples.map((sample) => sample.host?.cpu_percent), "c-two"],
      );
    }
    put(this.tiles, tiles.map(([name, figure, more, values, color]) => h("div", { class: "tile" },
      h("span", { class: "tile-name" }, name), h("strong", null, figure), h("span", { class: "muted small" }, more),
      values && sparkline(values.slice(-120), color))));
  }
}
