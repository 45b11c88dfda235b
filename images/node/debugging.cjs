/*
 * debugging.cjs: beside the stream, and loaded only for a job in debug mode. Its session with V8's inspector: steps and profile.
 *
 * Owns: what is asked of the inspector, the records made of its answers, their bounds. Console calls and errors are
 * recorded by debug.js inside the isolate and pass through here.
 * Must not know: frames, descriptors, isolated-vm beyond the session it is given.
 *
 * SECURITY: what comes back are V8's own messages with the tenant's texts in them. They are parsed here, nothing in them is
 * evaluated, and all that becomes of them is record texts, which the host takes for hostile data.
 */
'use strict';
const { readFileSync } = require('node:fs');
const { join } = require('node:path');

const SOURCE = 'job.js';
const OURS = ['^sandbox:', '^<isolated-vm'];
const VARIABLES = 'sandbox:variables';
const CALL = 'function(value,a,b,c,d,e,f){return this(value,a,b,c,d,e,f)}'; // no spread, no iterator of the tenant's
const MAX_SCOPES = 6;
const OWN_SCOPES = new Set(['local', 'block', 'catch', 'eval', 'with']);

const MAX_STEPS = 2000;
const MAX_STEP_TEXT = 1_572_864;
const MAX_VARIABLES = 30;
const MAX_PLACES = 4000; // breakpoints
const MAX_MESSAGE = 1_048_576; // characters of one message of the inspector's
const MAX_PAUSE = 131_072; // of one that tells a pause: it names all calls under way, some 200 of them
const SHARE_OF_TIME = 0.4; // of the job's wall time, with steps; then it runs on at full speed
const NUDGE_MS = 3;
const ANSWER_WITHIN_MS = 500;
const LOOK_MS = 50; // whether the isolate is still there

const SAMPLE_EVERY_US = 200;
const MAX_NODES = 5000;
const MAX_SAMPLES = 20_000;
const FIRST_WORD_AT = 0.7; // of the time limit: a job that is killed then has shown most of its profile
const STATES = new Set(['(root)', '(program)', '(idle)', '(garbage collector)']);

/** One session with the inspector of one isolate. */
class Inspector {
  #session;
  #tenant;
  #lastId = 0;
  #waiting = new Map(); // id -> resolve
  #nudge = null;

  /** `heard(method, params)` for notifications; `tooLong()` instead where one is above the bound. */
  constructor(tenant, heard, tooLong) {
    const session = tenant.openInspector();
    this.#session = session;
    this.#tenant = tenant;
    session.onResponse = (id, text) => this.#answered(id, text);
    session.onNotification = (text) => {
      if (text.length > (text.startsWith('{"method":"Debugger.paused"') ? MAX_PAUSE : MAX_MESSAGE)) { tooLong(); return; }
      const { method, params } = JSON.parse(text);
      heard(method, params);
    };
  }

  #answered(id, text) {
    const resolve = this.#waiting.get(id);
    if (resolve === undefined) return;
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#stopNudging();
    resolve(text.length > MAX_MESSAGE ? {} : JSON.parse(text).result ?? {});
  }

  /** The result of a command, {} where it failed or took too long. What was nudged on may rest once all have answered. */
  ask(method, params = {}) {
    return new Promise((resolve) => {
      const id = this.#send(method, params);
      if (id === null) { resolve({}); return; }
      this.#waiting.set(id, resolve);
      setTimeout(() => { if (this.#waiting.delete(id)) resolve({}); }, ANSWER_WITHIN_MS).unref();
    });
  }

  /**
   * Says something harmless every now and then while a pause is to hear something. isolated-vm may lose a wake-up: between the
   * moment in which a pause looked for messages and the one in which it waits for them. A later message brings the lost one along.
   */
  nudge() {
    this.#nudge ??= setInterval(() => this.#send('Runtime.runIfWaitingForDebugger', {}), NUDGE_MS);
  }

  #stopNudging() {
    clearInterval(this.#nudge);
    this.#nudge = null;
  }

  calm() { this.#stopNudging(); }

  /** The id of what was sent; null where nobody hears it any more. */
  #send(method, params) {
    // INVARIANT: isolated-vm aborts the process where a message comes while it disposes of the isolate.
    if (this.#tenant.isGone) { this.#stopNudging(); return null; }
    this.#lastId += 1;
    try {
      this.#session.dispatchProtocolMessage(JSON.stringify({ id: this.#lastId, method, params }));
      return this.#lastId;
    } catch { // it is gone now
      this.#stopNudging();
      return null;
    }
  }

  close() {
    this.#stopNudging();
    if (this.#tenant.isGone) return; // its session went with it
    try { this.#session.dispose(); } catch { /* gone now */ }
  }
}

/** The statements that a job executes. A breakpoint on each of them: stepping would end where the engine calls back later. */
class Steps {
  #inspector;
  #report;
  #variables = null; // the inspector's handle of the function in debug.js
  #script = null;
  #returns = new Set();
  #calls = []; // by depth: { name, seen }
  #left = MAX_STEPS;
  #room = MAX_STEP_TEXT;
  #until;
  #on = true;

  constructor(inspector, report, wallMs) {
    this.#inspector = inspector;
    this.#report = report;
    this.#until = performance.now() + wallMs * SHARE_OF_TIME;
  }

  async prepare(tenant) {
    const context = Promise.withResolvers();
    this.contextCame = context.resolve;
    await this.#inspector.ask('Runtime.enable');
    const contextId = await Promise.race([context.promise, later()]);
    tenant.lend(VARIABLES, 'variables');
    const found = await this.#inspector.ask('Runtime.evaluate', { expression: `globalThis['${VARIABLES}']`, contextId });
    tenant.takeBack(VARIABLES);
    this.#variables = found.result?.objectId ?? null;
    await Promise.all([
      this.#inspector.ask('Runtime.disable'),
      this.#inspector.ask('Debugger.enable'),
      this.#inspector.ask('Debugger.setBlackboxPatterns', { patterns: OURS }),
      this.#inspector.ask('Debugger.setPauseOnExceptions', { state: 'all' }),
    ]);
  }

  /** Just before the source runs. The inspector hears of it only then: so its first pause is where breakpoints are set. */
  async arm() {
    const instrumentation = 'beforeScriptExecution';
    if (this.#variables === null) this.#stop();
    else await this.#inspector.ask('Debugger.setInstrumentationBreakpoint', { instrumentation });
  }

  async #setBreakpoints(scriptId) {
    this.#script = scriptId;
    const { locations = [] } = await this.#inspector.ask('Debugger.getPossibleBreakpoints', {
      start: { scriptId, lineNumber: 0, columnNumber: 0 },
    });
    const places = locations.filter(isStatement(locations));
    if (places.length > MAX_PLACES) this.#cut();
    await Promise.all(places.slice(0, MAX_PLACES).map(({ type, ...location }) => {
      if (type === 'return') this.#returns.add(`${location.lineNumber}:${location.columnNumber}`);
      return this.#inspector.ask('Debugger.setBreakpoint', { location });
    }));
  }

  heard(method, params) {
    if (method === 'Debugger.paused') this.#paused(params);
    else if (method === 'Debugger.resumed') this.#inspector.calm();
    else if (method === 'Runtime.executionContextCreated' && params.context.name !== 'default') this.contextCame?.(params.context.id);
  }

  async #paused({ callFrames, reason, data }) {
    const [top] = callFrames;
    this.#inspector.nudge();
    if (this.#left <= 0 || this.#room <= 0 || performance.now() > this.#until) this.#stop();
    if (!this.#on) return; // what stopped it also lets the job run on
    let recorded;
    if (reason === 'instrumentation') {
      if (this.#script === null) await this.#setBreakpoints(top.location.scriptId);
    } else if (top?.location.scriptId === this.#script) recorded = this.#record(callFrames, top, reason === 'exception' ? data : undefined);
    // Asked without waiting: the isolate answers in order, so it looks before it goes on, and each step takes one round trip.
    this.#inspector.ask('Debugger.resume');
    this.#inspector.nudge();
    await recorded;
  }

  async #record(callFrames, top, thrown) {
    const depth = callFrames.reduce((count, each) => count + (each.location.scriptId === this.#script ? 1 : 0), -1);
    const { lineNumber, columnNumber } = top.location;
    const isReturn = thrown === undefined && this.#returns.has(`${lineNumber}:${columnNumber}`);
    const event = thrown !== undefined ? 'throw' : isReturn ? 'return' : 'line';
    const seen = await this.#look(top, depth, thrown ?? (isReturn ? top.returnValue : undefined));
    const { changed, more } = this.#changes(depth, top.functionName, seen.variables);
    const place = [SOURCE, lineNumber + 1, columnNumber + 1, top.functionName === '' ? null : top.functionName.slice(0, 100)];
    const line = JSON.stringify({ kind: 'step', event, at: place, depth, changed, value: event === 'line' ? null : seen.value, cut: more });
    if (isReturn) this.#calls.length = Math.min(this.#calls.length, depth);
    this.#left -= 1;
    this.#room -= line.length;
    if (this.#room > 0) this.#report(line);
  }

  /** The variables of a call, and a value beside them, as debug.js shows them: with its bounds, without calling the tenant's code. */
  async #look(top, depth, value) {
    const scopes = top.scopeChain.filter(({ type }) => OWN_SCOPES.has(type) || (isTopLevel(top) && type !== 'closure'));
    const { result } = await this.#inspector.ask('Runtime.callFunctionOn', {
      objectId: this.#variables, functionDeclaration: CALL, returnByValue: true, silent: true,
      arguments: [argumentOf(value), ...scopes.slice(0, MAX_SCOPES).map(({ object }) => ({ objectId: object.objectId }))],
    });
    if (typeof result?.value !== 'string') return { value: null, variables: [] };
    return JSON.parse(result.value);
  }

  #changes(depth, name, variables) {
    this.#calls.length = Math.min(this.#calls.length, depth + 1);
    let call = this.#calls[depth];
    if (call === undefined || call.name !== name) {
      call = { name, seen: new Map() };
      while (this.#calls.length < depth) this.#calls.push(undefined);
      this.#calls[depth] = call;
    }
    const changed = variables.filter(([variable, shown]) => {
      const text = JSON.stringify(shown);
      const isNew = call.seen.get(variable) !== text;
      call.seen.set(variable, text);
      return isNew;
    });
    return { changed: changed.slice(0, MAX_VARIABLES), more: changed.length > MAX_VARIABLES };
  }

  tooLong() { this.#stop(); }

  #cut() { this.#report('{"kind":"cut","part":"steps"}'); }

  /** No more steps: the job runs on at full speed, from a pause too. */
  #stop() {
    if (!this.#on) return;
    this.#on = false;
    this.#cut();
    this.#inspector.nudge();
    this.#inspector.ask('Debugger.disable');
  }
}

/** Statements and returns; a call counts where its line has nothing else, as `f();` has not. */
function isStatement(locations) {
  const lines = new Set(locations.filter(({ type }) => type !== 'call' && type !== 'return').map(({ lineNumber }) => lineNumber));
  return ({ type, lineNumber }) => {
    if (type !== 'call') return true;
    const isFirst = !lines.has(lineNumber);
    lines.add(lineNumber);
    return isFirst;
  };
}

const isTopLevel = (frame) => frame.functionName === '' && frame.scopeChain.every(({ type }) => type !== 'local');

function argumentOf(value) {
  if (value === undefined) return {};
  if (value.objectId !== undefined) return { objectId: value.objectId };
  if (value.unserializableValue !== undefined) return { unserializableValue: value.unserializableValue };
  return value.type === 'undefined' ? {} : { value: value.value };
}

function later() {
  return new Promise((resolve) => { setTimeout(resolve, ANSWER_WITHIN_MS); });
}

/** V8's sampling profile, with nothing in it but the tenant's functions and the engine's states. */
class Profile {
  #inspector;
  #report;
  #told = null; // the promise of having told it

  constructor(inspector, report) {
    this.#inspector = inspector;
    this.#report = report;
  }

  /** It is told after so many milliseconds, if not before. */
  async begin(withinMs) {
    await Promise.all([
      this.#inspector.ask('Profiler.enable'),
      this.#inspector.ask('Profiler.setSamplingInterval', { interval: SAMPLE_EVERY_US }),
      this.#inspector.ask('Profiler.start'),
    ]);
    setTimeout(() => this.tell(false), withinMs).unref();
  }

  tell(complete) {
    this.#told ??= this.#stop(complete);
    return this.#told;
  }

  async #stop(complete) {
    const { profile } = await this.#inspector.ask('Profiler.stop');
    this.#report(profile === undefined ? '{"kind":"cut","part":"profile"}' : JSON.stringify(recordOf(profile, complete)));
  }
}

/** Nodes that are neither the tenant's nor a state of the engine are counted for who called them. */
function recordOf({ nodes, startTime, endTime, samples, timeDeltas }, complete) {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const kept = [];
  const placeOf = new Map(); // id -> index in kept
  const waiting = [[nodes[0], 0]];
  for (let at = 0; at < waiting.length; at++) {
    const [node, parent] = waiting[at];
    const { functionName, url, lineNumber, columnNumber } = node.callFrame;
    const isOwn = url === SOURCE;
    let place = parent;
    if ((isOwn || (url === '' && STATES.has(functionName))) && kept.length < MAX_NODES) {
      place = kept.length;
      kept.push([parent, functionName === '' ? '(anonymous)' : functionName.slice(0, 100), isOwn, Math.max(0, lineNumber), Math.max(0, columnNumber), 0]);
    }
    if (kept.length > 0) kept[place][5] += node.hitCount ?? 0;
    placeOf.set(node.id, place);
    for (const child of node.children ?? []) waiting.push([byId.get(child), place]);
  }
  return {
    kind: 'profile', format: 'cpuprofile', complete: complete && samples.length <= MAX_SAMPLES && kept.length < MAX_NODES,
    start: Math.round(startTime), end: Math.round(endTime), nodes: kept,
    samples: samples.slice(0, MAX_SAMPLES).map((id) => placeOf.get(id) ?? 0),
    deltas: timeDeltas.slice(0, MAX_SAMPLES).map((delta) => Math.max(0, delta)),
  };
}

/** Debug mode of one job. Made before its isolate, which is furnished by what is said here. */
class DebugSession {
  /** For the isolate: the source of debug.js, what it is to record, and whether it needs an inspector. */
  source = readFileSync(join(__dirname, 'debug.js'), 'utf8');
  wanted;
  inspector;

  #limits;
  #asked;
  #tenant = null;
  #session = null;
  #steps = null;
  #profile = null;
  #finished = null;
  #looking = null;
  #came = performance.now();

  constructor(asked, limits) {
    this.#asked = asked;
    this.#limits = limits;
    this.wanted = { console: asked.console === true, stackTraces: asked.stack_traces === true };
    this.inspector = asked.steps === true || asked.profile === true;
  }

  /** Before the source is compiled. Records go to `report`. */
  async prepare(tenant, report) {
    this.#tenant = tenant;
    if (!this.inspector) return;
    this.#session = new Inspector(
      tenant,
      (method, params) => this.#steps?.heard(method, params),
      () => this.#steps?.tooLong(),
    );
    // V8's sampler does not know functions again that have breakpoints: a profile beside steps would name none of them.
    if (this.#asked.profile === true && this.#asked.steps !== true) this.#profile = new Profile(this.#session, report);
    else if (this.#asked.profile === true) report('{"kind":"cut","part":"profile"}');
    if (this.#asked.steps === true) {
      this.#steps = new Steps(this.#session, report, this.#limits.wall_time_ms);
      await this.#steps.prepare(tenant);
    }
  }

  /**
   * Calls `ended` where the isolate is gone and its job was not told so. isolated-vm may never answer what it was asked, where
   * memory runs out while the inspector is at work in the isolate; its thread is then stuck.
   */
  watch(ended) {
    let before = false;
    this.#looking = setInterval(() => {
      if (before) ended();
      before = this.#tenant.isGone;
    }, LOOK_MS);
  }

  /** After it was compiled, just before it runs. */
  async arm() {
    const until = Math.min(this.#limits.wall_time_ms, this.#limits.cpu_time_ms) * FIRST_WORD_AT;
    await this.#steps?.arm();
    await this.#profile?.begin(Math.max(0, until - (performance.now() - this.#came)));
  }

  /** Everything is told when this resolves, or cannot be told any more. */
  finish() {
    this.#finished ??= this.#finish();
    return this.#finished;
  }

  async #finish() {
    clearInterval(this.#looking);
    if (this.#session === null) return;
    if (!this.#tenant.isGone) await this.#profile?.tell(true);
    this.#session.close();
  }
}

module.exports = { DebugSession };
