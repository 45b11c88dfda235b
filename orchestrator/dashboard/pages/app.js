// The page: who is looked after, what is shown, and whether the service answers.

import { Problem, call, hasKey, useKey } from "./api.js";
import { h, one, put, tell, theirs } from "./dom.js";
import { clock } from "./format.js";
import { JobPage } from "./job.js";
import { Jobs } from "./jobs.js";
import { Live } from "./live.js";
import { Overview } from "./overview.js";
import { Playground } from "./playground.js";

const app = {
  live: null,
  runtimes: [],
  draft: null,
  may: (scope) => app.live?.hello?.scopes.some((each) => each === scope || each === "admin") ?? false,
  // Whether an error ended the session; where not, the caller shows it.
  failed(error) {
    if (!(error instanceof Problem) || error.status !== 401) return false;
    signOut("That key is unknown, revoked or expired.");
    return true;
  },
  warn: (text) => tell(text),
  openInPlayground(job, request) {
    app.draft = {
      runtime: job.runtime, mode: request.mode, code: request.code, input: request.input_json, stdin: request.stdin ?? "", limits: { ...job.limits }, debug: {},
    };
    location.hash = "#/playground";
  },
};
let shown = null;

// -- who ------------------------------------------------------------------------------------------------------

async function signIn(problem) {
  shown?.leave?.();
  shown = null;
  one("top").hidden = one("alarm").hidden = true;
  document.title = "Sign in – sandbox-orch";
  const key = h("input", {
    type: "password", id: "key", name: "key", required: true, autocomplete: "current-password", spellcheck: "false", maxlength: "300",
  });
  const wrong = h("p", { class: "problem", role: "alert", hidden: !problem }, problem);
  const form = h("form", { class: "card sign-in", onsubmit: async (event) => {
    event.preventDefault();
    const text = key.value.trim();
    if (!/^[\x21-\x7e]+$/.test(text)) { wrong.hidden = false; wrong.textContent = "That is no key."; return; }
    useKey(text);
    await begin();
  } },
  h("img", { src: "/dashboard/icon.svg", alt: "", width: "44", height: "44" }), h("h1", null, "sandbox-orch"),
  h("p", { class: "muted" }, "Untrusted code, one never-used, already-warm container per job."),
  h("label", null, h("span", null, "API key"), key), wrong, h("button", { type: "submit", class: "primary" }, "Sign in"),
  h("p", { class: "muted small" }, "The first start puts the administrator's key into ", h("code", null, "admin.key"),
    " in its data folder; ", h("code", null, "sandbox-orch keys create"), " makes more. The key stays in this tab."));
  put(one("view"), form);
  key.focus();
}

function signOut(problem) {
  app.live?.stop();
  app.live = null;
  useKey(null);
  signIn(problem);
}

async function begin() {
  const live = new Live();
  app.live?.stop();
  app.live = live;
  live.addEventListener("state", drawState);
  live.addEventListener("sample", drawAlarm);
  if (one("view").childElementCount === 0) put(one("view"), h("p", { class: "muted connecting" }, "Connecting…"));
  const hello = new Promise((done) => { live.addEventListener("hello", done, { once: true }); });
  const running = live.run();
  try {
    await Promise.race([hello, running]);
    app.runtimes = (await call("GET", "/v1/runtimes")).runtimes;
  } catch (error) {
    live.stop();
    if (!hasKey() && error.status === 401) { signIn(null); return; }
    useKey(null);
    signIn(error.status === 401 ? "That key is unknown, revoked or expired." : error.message);
    return;
  }
  running.catch((error) => { if (app.live === live) signOut(error.message); });
  put(one("whose"), theirs(live.hello.tenant), app.may("admin") ? h("span", { class: "badge c-batch" }, "operator") : null);
  one("sign-out").hidden = !hasKey();
  one("top").hidden = false;
  drawState();
  route();
}

// -- what -----------------------------------------------------------------------------------------------------

function route() {
  if (!app.live?.hello) return;
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [view, id] = path.split("/");
  shown?.leave?.();
  if (view === "jobs" && /^[A-Za-z0-9_-]{1,64}$/.test(id ?? "")) shown = new JobPage(app, id);
  else if (view === "jobs") shown = new Jobs(app, new URLSearchParams(query));
  else if (view === "playground") shown = new Playground(app);
  else shown = new Overview(app.live);
  const name = { jobs: id ? "Job" : "Jobs", playground: "Playground" }[view] ?? "Overview";
  document.title = `${name} – sandbox-orch`;
  for (const link of one("nav").querySelectorAll("a")) {
    if (link.dataset.view === (view || "overview")) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  put(one("view"), shown.element);
  one("view").focus({ preventScroll: true });
  scrollTo(0, 0);
  tell(name);
}

// -- whether it works -------------------------------------------------------------------------------------------

function drawState() {
  if (!app.live) return;
  const pill = one("connection");
  pill.className = `pill ${app.live.state}`;
  const words = { live: "live", lost: "reconnecting…", connecting: "connecting" }[app.live.state];
  if (pill.textContent !== words) pill.textContent = words;
}

const TROUBLES = {
  engine: "The container engine does not answer: no job can start.",
  pool: "There is no container, and making one fails.",
  store: "The store does not answer: nothing can be accepted.",
  disk: "The disk of the data folder is almost full.",
  checks: "What looks at sources cannot be started: no job is accepted.",
};
let said = "";

function drawAlarm() {
  const sample = app.live?.newest;
  const ready = sample?.ready;
  if (!ready) return;
  const alarm = one("alarm");
  const wrong = Object.keys(TROUBLES).filter((name) => ready[name] === false).map((name) => TROUBLES[name]);
  if (ready.draining) wrong.push("The service is stopping and takes no new jobs.");
  const failure = sample.failures_in_a_row > 0 ? sample.last_failure : null;
  const now = JSON.stringify([wrong, failure]);
  alarm.hidden = wrong.length === 0;
  if (now === said) return;
  said = now;
  put(alarm, wrong.length ? h("strong", null, wrong.join(" ")) : null,
    wrong.length ? h("span", null, ` Since ${clock(sample.ready_since)}.`) : null,
    failure && h("div", { class: "small" }, theirs(failure)));
}

// -- light and dark -----------------------------------------------------------------------------------------------

const THEMES = ["auto", "light", "dark"];
const SIGNS = { auto: "◐", light: "☀", dark: "☾" };

function useTheme(theme) {
  localStorage.setItem("sandbox-orch-theme", theme);
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  const button = one("theme");
  button.textContent = SIGNS[theme];
  button.setAttribute("aria-label", `Colours: ${theme}. Change`);
  button.onclick = () => useTheme(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]);
}

const kept = localStorage.getItem("sandbox-orch-theme");
useTheme(THEMES.includes(kept) ? kept : "auto");
one("sign-out").addEventListener("click", () => signOut(null));
addEventListener("hashchange", route);
begin();
