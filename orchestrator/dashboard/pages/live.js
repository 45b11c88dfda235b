// The stream of samples: kept for the last minutes, taken up again where it broke off.

import { Problem, events, pause } from "./api.js";

const MOST = 300;
const NOTHING = { outcomes: {}, latency_ms: [], memory_bytes: [], wait_ms: {} };

export class Live extends EventTarget {
  samples = [];
  hello = null;
  state = "connecting";
  #stop = new AbortController();
  #lastId = null;

  // Runs until `stop`; throws a Problem where the key is not taken.
  async run() {
    let wait = 250;
    while (!this.#stop.signal.aborted) {
      try {
        const options = { lastId: this.#lastId, signal: this.#stop.signal, silence: 10_000 };
        for await (const event of events("/v1/dashboard/stream", options)) {
          this.#take(event);
          wait = 250;
        }
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof Problem && (error.status === 401 || error.status === 403)) throw error;
        this.#become("lost");
        await pause(wait);
        wait = Math.min(wait * 2, 8000);
      }
      // A stream lasts a minute; then it is taken up again at once.
      if (this.state !== "lost") await pause(50);
    }
  }

  stop() { this.#stop.abort(); }

  get newest() { return this.samples.at(-1) ?? null; }

  #take(event) {
    if (event.id) this.#lastId = event.id;
    if (event.name === "hello") {
      this.hello = event.data;
      this.dispatchEvent(new Event("hello"));
    } else if (event.name === "history") {
      // Of another start of the service, or after a long pause, it begins anew.
      if (event.data.length >= MOST || event.data[0]?.at <= (this.newest?.at ?? 0)) this.samples = [];
      this.#add(event.data);
    } else if (event.name === "sample") {
      this.#add([event.data]);
    }
    this.#become("live");
  }

  #add(samples) {
    for (const sample of samples) this.samples.push({ ...sample, jobs: sample.jobs ?? NOTHING });
    if (this.samples.length > MOST) this.samples.splice(0, this.samples.length - MOST);
    if (samples.length) this.dispatchEvent(new Event("sample"));
  }

  #become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

// -- adding up ----------------------------------------------------------------------------------------------

export function merged(lists) {
  const sums = new Map();
  for (const list of lists) for (const [upper, jobs] of list) sums.set(upper, (sums.get(upper) ?? 0) + jobs);
  return [...sums].sort((one, other) => one[0] - other[0]);
}

// The nearest rank, as the service counts: the upper end of the step that holds it.
export function percentile(steps, part) {
  const total = steps.reduce((sum, [, jobs]) => sum + jobs, 0);
  if (!total) return null;
  const rank = Math.max(1, Math.ceil((total * part) / 100));
  let seen = 0;
  for (const [upper, jobs] of steps) {
    seen += jobs;
    if (seen >= rank) return upper;
  }
  return null;
}

export function total(record) {
  return Object.values(record ?? {}).reduce((sum, value) => sum + value, 0);
}
