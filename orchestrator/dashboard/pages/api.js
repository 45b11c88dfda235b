// The service, over HTTP. The key is kept in this tab only: no cookie, so no other page can make it act.

const PLACE = "sandbox-orch-key";
let key = sessionStorage.getItem(PLACE);

export const hasKey = () => Boolean(key);

export function useKey(text) {
  key = text;
  if (text) sessionStorage.setItem(PLACE, text);
  else sessionStorage.removeItem(PLACE);
}

// What went wrong, as the service or the browser tells it.
export class Problem extends Error {
  constructor(status, detail, body) {
    super(detail);
    this.status = status;
    this.errors = body?.errors ?? [];
    this.type = body?.type ?? "";
  }
}

async function ask(method, path, { body, input, query, signal, headers } = {}) {
  const address = new URL(path, location.origin);
  for (const [name, value] of Object.entries(query ?? {})) {
    if (value !== undefined && value !== null && value !== "") address.searchParams.set(name, value);
  }
  const sent = { Accept: "application/json", ...headers };
  if (key) sent.Authorization = `Bearer ${key}`;
  if (body !== undefined) sent["Content-Type"] = "application/json";
  let answer;
  try {
    answer = await fetch(address, {
      method, signal, headers: sent, body: written(body, input),
      credentials: "omit", cache: "no-store", redirect: "error", referrerPolicy: "no-referrer",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "the service does not answer");
  }
  if (!answer.ok) {
    const problem = await answer.json().catch(() => null);
    throw new Problem(answer.status, problem?.detail ?? `the service answered ${answer.status}`, problem);
  }
  return answer;
}

// `input` is JSON text already: it goes as it is, so that long numbers stay exact.
function written(body, input) {
  if (body === undefined) return undefined;
  const text = JSON.stringify(body);
  return input === undefined ? text : `${text.slice(0, -1)},"input":${input}}`;
}

export async function call(method, path, options) {
  const answer = await ask(method, path, options);
  return JSON.parse(await answer.text(), exact);
}

// Whole numbers that JavaScript would round stay the text that they are, where the browser can do that.
function exact(_name, value, context) {
  const isRounded = typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value);
  return isRounded && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value;
}

// Server-sent events of one connection: {id, name, data}. Not EventSource: that can send no key.
// After a `silence` of so many milliseconds the line is taken for dead; the service says something every 15 s.
export async function* events(path, { lastId, signal, silence: longest = 40_000 } = {}) {
  const silence = new AbortController();
  const either = signal ? AbortSignal.any([signal, silence.signal]) : silence.signal;
  const headers = { Accept: "text/event-stream", ...(lastId ? { "Last-Event-ID": lastId } : {}) };
  const answer = await ask("GET", path, { headers, signal: either });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  try {
    for (;;) {
      const timer = setTimeout(() => silence.abort(), longest);
      const { value, done } = await reader.read().finally(() => clearTimeout(timer));
      if (done) return;
      text += value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const event = parse(text.slice(0, end));
        text = text.slice(end + 2);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

function parse(block) {
  const event = { id: null, name: "message", data: null };
  const data = [];
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon <= 0) continue;
    const value = line.slice(colon + 1).replace(/^ /, "");
    if (line.startsWith("id:")) event.id = value;
    else if (line.startsWith("event:")) event.name = value;
    else if (line.startsWith("data:")) data.push(value);
  }
  if (!data.length) return null;
  event.data = JSON.parse(data.join("\n"));
  return event;
}

export const pause = (ms) => new Promise((done) => { setTimeout(done, ms); });
