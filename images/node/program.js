/*
 * program.js: inside the tenant's isolate. Program mode: a script with `process`, `require`, timers and an exit code.
 *
 * Owns: the event loop as the tenant sees it (timers, immediates, ticks), and how a program ends.
 * Must not know: real time passing (the other side calls `advance` when it is due), frames, descriptors.
 */
(function makeProgram(js, kit, job) {
  'use strict';
  const { text, inspect, errors, emit, exited, install, makers, written } = kit;
  const MAX_FILES_LEFT = 64;
  const MAX_DELAY_MS = 2_147_483_647;

  // ── Ticks, immediates, timers ───────────────────────────────────────────────────────────────────────────────────
  const ticks = [];
  const immediates = [];
  const timers = []; // by time due, then by age
  const timerById = new js.Map();
  let lastId = 0;
  let immediatesTurn = false;

  function call(callback, args) {
    try { js.apply(callback, undefined, args); } catch (thrown) { crash(errors.describe(thrown)); }
  }

  function runTicks() {
    while (ticks.length > 0) {
      const tick = js.shift(ticks);
      call(tick.callback, tick.args);
    }
  }

  function needFunction(callback, name) {
    if (typeof callback === 'function') return;
    const error = new js.TypeError(`The "${name}" argument must be of type function.`);
    error.code = 'ERR_INVALID_ARG_TYPE';
    throw error;
  }

  function nextTick(callback, ...args) {
    needFunction(callback, 'callback');
    ticks[ticks.length] = { __proto__: null, callback, args };
    if (ticks.length === 1) js.promiseThen(js.promiseResolve(), runTicks); // asked for by a promise reaction
  }

  function queueMicrotask(callback) {
    needFunction(callback, 'callback');
    js.promiseThen(js.promiseResolve(), () => call(callback, []));
  }

  function schedule(timer) {
    timer.due = js.now() + timer.delay;
    let at = timers.length;
    while (at > 0 && timers[at - 1].due > timer.due) at--;
    js.splice(timers, at, 0, timer);
    timer.live = true;
    js.mapSet(timerById, timer.id, timer);
  }

  function cancel(timer) {
    if (timer === undefined || !timer.live) return;
    timer.live = false;
    js.mapDelete(timerById, timer.id);
    removeFrom(timer.immediate ? immediates : timers, timer);
  }

  function removeFrom(list, entry) {
    for (let i = 0; i < list.length; i++) if (list[i] === entry) { js.splice(list, i, 1); return; }
  }

  let timerOf; // the record behind a handle
  class Timeout {
    #timer;
    constructor(timer) { this.#timer = timer; }
    static { timerOf = (handle) => (typeof handle === 'object' && handle !== null && #timer in handle ? handle.#timer : undefined); }
    ref() { this.#timer.referenced = true; return this; }
    unref() { this.#timer.referenced = false; return this; }
    hasRef() { return this.#timer.referenced; }
    refresh() {
      const timer = this.#timer;
      if (timer.live && !timer.immediate) { removeFrom(timers, timer); schedule(timer); }
      return this;
    }
    close() { cancel(this.#timer); return this; }
    [Symbol.toPrimitive]() { return this.#timer.id; }
  }

  function newTimer(callback, delay, repeats, args, immediate) {
    needFunction(callback, 'callback');
    const milliseconds = js.toNumber(delay);
    return {
      __proto__: null, id: ++lastId, callback, args, repeats, immediate, live: false, referenced: true, due: 0,
      delay: milliseconds >= 1 && milliseconds <= MAX_DELAY_MS ? js.floor(milliseconds) : 1,
    };
  }

  function setTimeout(callback, delay, ...args) {
    const timer = newTimer(callback, delay, false, args, false);
    schedule(timer);
    return new Timeout(timer);
  }

  function setInterval(callback, delay, ...args) {
    const timer = newTimer(callback, delay, true, args, false);
    schedule(timer);
    return new Timeout(timer);
  }

  function setImmediate(callback, ...args) {
    const timer = newTimer(callback, 0, false, args, true);
    timer.live = true;
    immediates[immediates.length] = timer;
    return new Timeout(timer);
  }

  function clear(handle) {
    const id = typeof handle === 'string' ? js.toNumber(handle) : handle;
    cancel(timerOf(handle) ?? (typeof id === 'number' ? js.mapGet(timerById, id) : undefined));
  }

  function anyReferenced(list) {
    for (let i = 0; i < list.length; i++) if (list[i].referenced) return true;
    return false;
  }

  /**
   * One turn: runs at most one callback, so that promise reactions run between callbacks.
   * The milliseconds until there is something to do (0: at once). Ends the program where there is nothing.
   */
  function advance() {
    const timer = timers.length > 0 && timers[0].due <= js.now() ? timers[0] : undefined;
    if (immediates.length > 0 && (immediatesTurn || timer === undefined)) {
      immediatesTurn = false;
      runTurn(js.shift(immediates));
      return 0;
    }
    if (timer !== undefined) {
      immediatesTurn = true;
      runTimer(timer);
      return 0;
    }
    if (!anyReferenced(timers) && !anyReferenced(immediates)) exit(undefined);
    return js.max(timers[0].due - js.now(), 0);
  }

  function runTimer(timer) {
    js.shift(timers);
    if (!timer.repeats) { timer.live = false; js.mapDelete(timerById, timer.id); }
    runTurn(timer);
    if (timer.repeats && timer.live) schedule(timer);
  }

  function runTurn(timer) {
    call(timer.callback, timer.args);
    runTicks();
  }

  // ── Ending ──────────────────────────────────────────────────────────────────────────────────────────────────────
  const exitHandlers = [];
  let ending = false;

  /** Ends the program now; does not return. */
  function exit(code) {
    if (code !== undefined) processShim.exitCode = code;
    if (!ending) {
      ending = true;
      runExitHandlers();
    }
    exited(exitCodeOf(processShim.exitCode), files.leftOver(MAX_FILES_LEFT, job.outputBytes));
    for (;;); // the other side ends this isolate; nothing of the tenant's may run meanwhile
  }

  function exitCodeOf(code) {
    const number = js.toNumber(code ?? 0);
    return js.isInteger(number) ? number & 0xff : 1;
  }

  function runExitHandlers() {
    for (let i = 0; i < exitHandlers.length; i++) call(exitHandlers[i], [exitCodeOf(processShim.exitCode)]);
  }

  /** Ends the program as an uncaught error does: a trace on stderr, exit code 1. */
  function crash(described) {
    emit('stderr', traceOf(described));
    exit(1);
  }

  function traceOf(described) {
    const where = described.line === null ? '' : excerpt(described.line, described.column);
    const what = described.thrownValue === true ? `Uncaught ${described.message}` : described.stack;
    return `${where}${what}\n`;
  }

  function excerpt(line, column) {
    let from = 0;
    for (let i = 1; i < line && from >= 0; i++) from = js.indexOf(job.code, '\n', from) + 1 || -1;
    if (from < 0) return '';
    const end = js.indexOf(job.code, '\n', from);
    const source = js.slice(job.code, from, js.min(end < 0 ? job.code.length : end, from + 200));
    return `job.js:${line}\n${source}\n${js.repeat(' ', js.min(column - 1, 200))}^\n\n`;
  }

  function begin(run) {
    call(run, []);
    runTicks();
  }

  // ── process and require ─────────────────────────────────────────────────────────────────────────────────────────
  const paths = makers.paths(js);
  const files = makers.files(js, text, paths, {
    __proto__: null, stdin: job.stdin, files: job.files, diskBytes: job.diskBytes, emit, later: setImmediate,
  });

  /** Handlers are kept, never called, but for `exit`. */
  const handling = {
    on(event, handler) {
      if (event === 'exit' && typeof handler === 'function') exitHandlers[exitHandlers.length] = handler;
      return this;
    },
    off(event, handler) {
      if (event === 'exit') removeFrom(exitHandlers, handler);
      return this;
    },
    removeAllListeners(event) {
      if (event === undefined || event === 'exit') exitHandlers.length = 0;
      return this;
    },
    emit() { return false; },
    listenerCount() { return 0; },
  };
  handling.once = handling.on;
  handling.addListener = handling.on;
  handling.prependListener = handling.on;
  handling.removeListener = handling.off;

  function outputStream(name, fd) {
    const stream = {
      fd, writable: true,
      write(chunk, encoding, callback) {
        if (written !== null) written(name, chunk);
        emit(name, typeof chunk === 'string' ? chunk : text.decodeUtf8(files.bytesOf(chunk)));
        const done = typeof encoding === 'function' ? encoding : callback;
        if (typeof done === 'function') nextTick(done);
        return true;
      },
      end(chunk, encoding, callback) {
        if (chunk !== undefined && typeof chunk !== 'function') stream.write(chunk, encoding, callback);
        return stream;
      },
      on() { return stream; }, once() { return stream; }, off() { return stream; }, emit() { return false; },
    };
    return stream;
  }

  function inputStream() {
    let encoding;
    const rest = () => {
      const all = files.fs.readFileSync(0, encoding);
      return all.length === 0 ? null : all;
    };
    const stream = {
      fd: 0, readable: true,
      setEncoding(name) { encoding = name ?? 'utf8'; return stream; },
      on(event, handler) {
        if (event === 'data') setImmediate(() => { const all = rest(); if (all !== null) handler(all); });
        if (event === 'readable') setImmediate(() => handler());
        if (event === 'end' || event === 'close') setImmediate(() => setImmediate(handler));
        return stream;
      },
      read() { return rest(); },
      resume() { return stream; }, pause() { return stream; }, off() { return stream; },
      async* [Symbol.asyncIterator]() { const all = rest(); if (all !== null) yield all; },
    };
    stream.once = stream.on;
    stream.addListener = stream.on;
    return stream;
  }

  const started = js.now();
  function hrtime(previous) {
    const elapsed = js.now() - started;
    const now = [js.floor(elapsed / 1000), (elapsed % 1000) * 1_000_000];
    if (previous === undefined) return now;
    const nanoseconds = now[1] - previous[1];
    return nanoseconds < 0 ? [now[0] - previous[0] - 1, nanoseconds + 1e9] : [now[0] - previous[0], nanoseconds];
  }
  hrtime.bigint = () => js.toBigInt(js.now() - started) * 1_000_000n;

  const processShim = {
    ...handling,
    argv: ['node', 'job.js', ...job.args], argv0: 'node', execArgv: [], execPath: 'node', title: 'node', env: {},
    pid: 2, ppid: 1, platform: 'linux', arch: job.arch, version: `v${job.version}`, versions: { node: job.version },
    exitCode: undefined, stdin: inputStream(), stdout: outputStream('stdout', 1), stderr: outputStream('stderr', 2),
    exit(code) { exit(code); },
    cwd() { return '/work'; },
    uptime() { return (js.now() - started) / 1000; },
    nextTick, hrtime,
  };

  const modules = { __proto__: null, fs: files.fs, 'fs/promises': files.fs.promises, path: paths, 'path/posix': paths };
  function require(name) {
    const bare = typeof name === 'string' && js.startsWith(name, 'node:') ? js.slice(name, 5) : name;
    const found = typeof bare === 'string' ? modules[bare] : undefined;
    if (found !== undefined) return found;
    const error = new js.Error(`Cannot find module '${js.toText(name)}': a program has fs and path`);
    error.code = 'MODULE_NOT_FOUND';
    throw error;
  }

  const module = { exports: {}, id: '.', filename: '/work/job.js', loaded: false, children: [], paths: [] };
  require.main = module;
  const globals = {
    __proto__: null, process: processShim, require, module, exports: module.exports, __filename: '/work/job.js',
    __dirname: '/work', global: globalThis, setTimeout, setInterval, setImmediate, clearTimeout: clear, clearInterval: clear,
    clearImmediate: clear, queueMicrotask,
  };
  const names = js.keysOf(globals);
  for (let i = 0; i < names.length; i++) install(names[i], globals[names[i]], false);

  return { __proto__: null, begin, advance, crash };
})
