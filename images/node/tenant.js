/*
 * tenant.js: inside the tenant's isolate. What a tenant finds there, and the two steps of a function-mode job.
 *
 * Owns: the globals (`input`, `output`, `console`, …), running the tenant's script, and the payload that answers it.
 * Must not know: frames, descriptors, the host. All it holds of the outside are its own context and four callbacks:
 * `write(stream, text)` (sent and forgotten), `writeAndWait(stream, text)`, `deliver(payload)`, `exited(code, files)`.
 * In debug mode there are three more: the maker of debug.js, `report(line)`, and what is to be recorded, as JSON text.
 *
 * SECURITY: `context`, scripts and callbacks live in this closure only. It is strict code, so neither `caller`,
 * `arguments` nor a CallSite (getFunction, getThis) gives a tenant a way from its own frame to ours.
 */
(function bootTenant(makers, context, write, writeAndWait, deliver, exited, makeDebug, report, debugWanted) {
  'use strict';
  const js = makers.intrinsics();
  const text = makers.text(js);
  const inspect = makers.inspect(js, text);
  const debug = makeDebug === undefined ? null : makeDebug(js, text, inspect, report, js.parse(debugWanted));
  const plainErrors = makers.errors(js, text, inspect);
  const errors = debug === null ? plainErrors : debug.watchedErrors(plainErrors);
  const json = makers.output(js);
  const { stringify } = js;

  // ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────
  const PIECE = 8192; // characters in one message
  const UNACKNOWLEDGED = 65_536; // characters on their way before the tenant has to wait for the writer
  let underway = 0;

  /** Hands `line` out in pieces. A flood waits for the writer every so often, so what is under way stays bounded. */
  function emit(stream, line) {
    for (let from = 0; from < line.length;) {
      const to = text.pairBoundary(line, js.min(from + PIECE, line.length));
      const piece = js.slice(line, from, to);
      underway += piece.length + 256;
      if (underway < UNACKNOWLEDGED) write(stream, piece);
      else { underway = 0; writeAndWait(stream, piece); }
      from = to;
    }
  }

  // ── Globals ─────────────────────────────────────────────────────────────────────────────────────────────────────
  function install(name, value, enumerable) {
    js.defineProperty(globalThis, name, { __proto__: null, value, enumerable, writable: true, configurable: true });
  }

  const ALWAYS = new js.Map();
  const always = ['input', 'output', 'undefined', 'NaN', 'Infinity', 'globalThis'];
  for (let i = 0; i < always.length; i++) js.mapSet(ALWAYS, always[i], true);

  /** Leaves only `names` of the globals. Their prototypes stay: `(() => {}).constructor` is still Function. */
  function narrowGlobals(names) {
    const kept = new js.Map();
    for (let i = 0; i < names.length; i++) js.mapSet(kept, names[i], true);
    const own = js.ownKeys(globalThis);
    for (let i = 0; i < own.length; i++) {
      if (!js.mapHas(ALWAYS, own[i]) && !js.mapHas(kept, own[i])) js.deleteProperty(globalThis, own[i]);
    }
  }

  /**
   * WebAssembly's asynchronous functions would finish on a background thread, after which nothing wakes this isolate.
   * These compile at once and settle like any other promise.
   */
  function settleWebAssemblyAtOnce() {
    const { Module, Instance } = WebAssembly;
    const modulePrototype = Module.prototype;
    const replacements = {
      __proto__: null,
      async compile(bytes) { return new Module(bytes); },
      async instantiate(source, imports) {
        const isModule = typeof source === 'object' && source !== null && js.getPrototypeOf(source) === modulePrototype;
        if (isModule) return new Instance(source, imports);
        const module = new Module(source);
        return { module, instance: new Instance(module, imports) };
      },
    };
    js.defineProperty(WebAssembly, 'compile', { __proto__: null, value: replacements.compile });
    js.defineProperty(WebAssembly, 'instantiate', { __proto__: null, value: replacements.instantiate });
  }

  // ── Payloads ────────────────────────────────────────────────────────────────────────────────────────────────────
  let maxBytes = 0; // of a payload

  function errorPayload(described) {
    const payload = writeError(described, described.stack);
    if (text.byteLength(payload) <= maxBytes) return payload;
    described.name = text.cut(described.name, 60);
    described.message = text.cut(described.message, 400); // at most 6 bytes each as \u0000: below the 4 KiB any job has
    return writeError(described, null);
  }

  function writeError(described, stack) {
    return `{"status":"error","error":{"name":${stringify(described.name)},"message":${stringify(described.message)},`
      + `"stack":${stack === null ? 'null' : stringify(stack)},"line":${described.line},"column":${described.column}}}`;
  }

  /** The payload that carries `value`: a text, or a number where it is too large (the bytes counted). */
  function payloadOf(value) {
    const made = json.toJson(value, maxBytes);
    if (made.text !== undefined) return `{"status":"ok","output":${made.text}}`;
    if (made.tooLarge !== undefined) return made.tooLarge;
    return `{"status":"invalid_output","error":{"name":${stringify(made.invalid)},"message":${stringify(text.cut(made.message, 4096))}}}`;
  }

  const payloadOfThrown = (thrown) => errorPayload(errors.describe(thrown));

  // ── Function mode ───────────────────────────────────────────────────────────────────────────────────────────────
  const BY_REFERENCE = js.freeze({ __proto__: null, reference: true }); // so the script's last value is not copied
  let input;
  let entrypoint = null;
  let answer; // known after `start` only where the script threw

  /** Step one: the script. Promise reactions run when this returns, before step two. */
  function start(script, inputText, entrypointName, allowedGlobals, payloadLimit) {
    maxBytes = payloadLimit;
    entrypoint = entrypointName;
    input = js.parse(inputText);
    install('input', input, true);
    install('output', undefined, true);
    if (allowedGlobals !== null) narrowGlobals(js.parse(allowedGlobals));
    if (debug !== null) debug.begin();
    try {
      script.runSync(context, BY_REFERENCE);
    } catch (thrown) {
      answer = payloadOfThrown(thrown);
    }
  }

  // A closure made by one script sees what later scripts declare at the top level, `let` and `const` included.
  const readOutput = () => (typeof output === 'undefined' ? undefined : output);

  const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*$/u;
  function lookUp(name) {
    if (js.match(IDENTIFIER, name) === null) throw new js.TypeError('entrypoint is not a name');
    const found = js.evaluate(`typeof ${name} === 'undefined' ? undefined : ${name}`);
    if (found === undefined) throw new js.ReferenceError(`entrypoint ${name} is not defined`);
    if (typeof found !== 'function') throw new js.TypeError(`entrypoint ${name} is not a function`);
    return found;
  }

  const isThenable = (value) => (
    value !== null && (typeof value === 'object' || typeof value === 'function') && typeof value.then === 'function'
  );

  /** Step two: the payload (text), its size where too large (number), or nothing yet where a promise is awaited. */
  function finish() {
    if (answer !== undefined) return answer;
    try {
      const value = entrypoint === null ? readOutput() : js.apply(lookUp(entrypoint), undefined, [input]);
      if (!isThenable(value)) return payloadOf(value);
      settle(value);
      return undefined;
    } catch (thrown) {
      return payloadOfThrown(thrown);
    }
  }

  async function settle(promise) {
    let payload;
    try {
      payload = payloadOf(await promise);
    } catch (thrown) {
      payload = payloadOfThrown(thrown);
    }
    deliver(payload);
  }

  /** The payload for a promise rejection that nobody handled; the engine hands it out as three texts. */
  const unhandled = (name, message, stack) => errorPayload(errors.describeTexts(name, message, stack));

  // ── Program mode ────────────────────────────────────────────────────────────────────────────────────────────────
  let program = null;

  function startProgram(script, job) {
    js.deleteProperty(globalThis, 'input');
    js.deleteProperty(globalThis, 'output');
    const written = debug === null ? null : debug.written;
    program = makers.program(js, { __proto__: null, text, inspect, errors, emit, exited, install, makers, written }, job);
    if (job.allowedGlobals !== null) narrowGlobals(job.allowedGlobals);
    if (debug !== null) debug.begin();
    program.begin(() => { script.runSync(context, BY_REFERENCE); });
  }
  const advance = () => program.advance();
  const crash = (name, message, stack) => { program.crash(errors.describeTexts(name, message, stack)); };

  // ── Warming ─────────────────────────────────────────────────────────────────────────────────────────────────────
  /** Runs our own functions on our own values, so that the engine has compiled them before the job comes. */
  function rehearse() {
    maxBytes = 4096;
    payloadOf({ a: [1, 'x', true, null, { b: 2.5 }] });
    payloadOf(new js.Map());
    payloadOfThrown(new js.Error('rehearsal'));
    inspect({ a: [1, 'x'], b: { c: null } });
    js.mapSize(ALWAYS);
    maxBytes = 0;
  }

  const ownConsole = makers.console(js, inspect, emit);
  install('console', debug === null ? ownConsole : debug.watchedConsole(ownConsole), false);
  install('btoa', text.globals.btoa, false);
  install('atob', text.globals.atob, false);
  settleWebAssemblyAtOnce();
  rehearse();
  return { start, finish, unhandled, startProgram, advance, crash, variables: debug === null ? undefined : debug.variables };
})
