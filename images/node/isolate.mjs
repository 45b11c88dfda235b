/*
 * isolate.mjs: beside the stream. One V8 isolate for one tenant: made, furnished with the *.js files, spoken to.
 *
 * Owns: everything isolated-vm. Must not know: frames, the protocol's words.
 *
 * SECURITY: what crosses into the isolate is texts, numbers, plain copies, scripts compiled there, its own context,
 * and four callbacks that take texts and numbers. No Reference, no ExternalCopy handle and no object of this isolate.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { ivm } = createRequire(import.meta.url)('./isolated-vm.node');

const MIB = 1024 * 1024;
const MIN_MEMORY_MIB = 8; // isolated-vm's own minimum
const OWN_MEMORY_MIB = 1; // what our files in the isolate hold
const DEBUG_MEMORY_MIB = 4; // what debug.js and V8's inspector hold besides
const BLOCKING_COMPILE_LENGTH = 65_536; // longer sources are compiled off this thread, which then answers pings
const SETTLING_ROUNDS = 3;

const REFERENCE = { reference: true };
const RESULT_REFERENCE = { result: REFERENCE };

const insideText = (name) => readFileSync(new URL(`./${name}.js`, import.meta.url), 'utf8');
const MAKERS = ['intrinsics', 'text', 'inspect', 'errors', 'output', 'console', 'paths', 'files', 'program'];
const MAKERS_SOURCE = `({__proto__: null,\n${MAKERS.map((name) => `${name}: ${insideText(name)}`).join(',\n')}})`;
const TENANT_SOURCE = insideText('tenant');
const compiledCode = new Map(); // file name -> V8's code cache

const ANNOTATED = /^(.*) \[(?:job\.js|<isolated-vm>):(\d+):(\d+)\]$/s; // how isolated-vm reports a place in a source

/** A source that is no script: what the compiler said, and where. */
export class SourceError extends Error {
  constructor(name, message, line, column) {
    super(message);
    this.name = name;
    this.line = line;
    this.column = column;
  }
}

export class TenantIsolate {
  #isolate;
  #context;
  #steps = {};
  #latest = Promise.resolve(); // of what was asked of the isolate; it answers in order

  /** Who hears of the tenant: `wrote(stream, text)`, `delivered(payload)`, `exited(code, files)`, `collapsed(reason)`. */
  listener = null;

  /** `debug` (a DebugSession of debugging.cjs) furnishes it for a job in debug mode. */
  constructor(memoryBytes, debug = null) {
    this.memoryBytes = memoryBytes;
    const inspector = debug !== null && debug.inspector;
    this.#isolate = new ivm.Isolate({
      memoryLimit: Math.max(MIN_MEMORY_MIB, Math.ceil(memoryBytes / MIB)) + OWN_MEMORY_MIB + (debug === null ? 0 : DEBUG_MEMORY_MIB),
      inspector,
      onCatastrophicError: (reason) => this.listener.collapsed(reason),
    });
    this.#context = this.#isolate.createContextSync({ inspector });
    this.#boot(debug);
  }

  #boot(debug) {
    const makers = this.#evaluate(MAKERS_SOURCE, 'sandbox:makers.js');
    const boot = this.#evaluate(TENANT_SOURCE, 'sandbox:tenant.js');
    const extra = debug === null ? [] : this.#debugArguments(debug);
    const steps = boot.applySync(undefined, [makers.derefInto(), this.#context, ...this.#callbacks(), ...extra], RESULT_REFERENCE);
    for (const name of ['start', 'finish', 'unhandled', 'startProgram', 'advance', 'crash']) {
      this.#steps[name] = steps.getSync(name, REFERENCE);
    }
    if (debug !== null) this.#steps.variables = steps.getSync('variables', REFERENCE);
  }

  #debugArguments({ source, wanted }) {
    const report = guarded((line) => this.listener?.reported(line));
    return [
      this.#evaluate(source, 'sandbox:debug.js').derefInto(),
      new ivm.Callback(report, { ignored: true }),
      JSON.stringify(wanted),
    ];
  }

  /** A session with the isolate's inspector, where it was made with one. */
  openInspector() { return this.#isolate.createInspectorSession(); }

  /** Puts a function of ours where the inspector can take hold of it, before the tenant's code runs; `takeBack` right after. */
  lend(name, step) { this.#context.global.setSync(name, this.#steps[step].derefInto()); }

  takeBack(name) { this.#context.global.deleteSync(name); }

  #callbacks() {
    const wrote = guarded((stream, text) => this.listener?.wrote(stream, text));
    const delivered = guarded((payload) => this.listener?.delivered(payload));
    const exited = guarded((code, files) => this.listener?.exited(code, files));
    return [
      new ivm.Callback(wrote, { ignored: true }),
      new ivm.Callback(wrote, { sync: true }),
      new ivm.Callback(delivered, { ignored: true }),
      new ivm.Callback(exited, { sync: true }),
    ];
  }

  /** Our own sources are compiled by the first isolate of this process; later ones take its compiled code over. */
  #evaluate(source, filename) {
    const cachedData = compiledCode.get(filename);
    const script = this.#isolate.compileScriptSync(source, cachedData ? { filename, cachedData } : { filename, produceCachedData: true });
    if (!cachedData) compiledCode.set(filename, script.cachedData);
    return script.runSync(this.#context, REFERENCE);
  }

  /**
   * Takes an empty script of ours through both steps. The isolate then has its thread, and its engine has compiled
   * all that the first job needs; nothing of it stays in the context.
   */
  async settle() {
    const nothing = { input: 'null', entrypoint: null, allowedGlobals: null, payloadLimit: 64 };
    for (let i = 0; i < SETTLING_ROUNDS; i++) await this.runFunction(this.compile(''), nothing).finished;
  }

  /** V8 or isolated-vm ended the isolate: with our files in there, only for want of memory. */
  get isGone() { return this.#isolate.isDisposed; }

  /** The compiled source, or a promise of it where it is long. Throws (or rejects with) SourceError. */
  compile(code) {
    const options = { filename: 'job.js' };
    if (code.length > BLOCKING_COMPILE_LENGTH) {
      return this.#isolate.compileScript(code, options).catch((error) => { throw this.#sourceError(error); });
    }
    try {
      return this.#isolate.compileScriptSync(code, options);
    } catch (error) {
      throw this.#sourceError(error);
    }
  }

  #sourceError(error) {
    if (this.isGone) return error;
    const [, message, line, column] = ANNOTATED.exec(error.message) ?? [null, error.message, 0, 0];
    return new SourceError(error.name, message, Number(line) || null, Number(column) || null);
  }

  /** Both steps of a function-mode job are queued at once: one wake-up of the isolate's thread instead of two. */
  runFunction(script, { input, entrypoint, allowedGlobals, payloadLimit }) {
    const allowed = allowedGlobals === null ? null : JSON.stringify(allowedGlobals);
    return {
      started: this.#ask('start', [script, input, entrypoint, allowed, payloadLimit]),
      finished: this.#ask('finish', []),
    };
  }

  /** The payload for a rejection that nobody handled, from the texts that isolated-vm made of it. */
  unhandled(thrown) { return this.#ask('unhandled', textsOf(thrown)); }

  startProgram(script, program) {
    return this.#ask('startProgram', [script, new ivm.ExternalCopy(program).copyInto({ release: true })]);
  }

  /** One turn of the program's event loop; the milliseconds to wait before the next. */
  advance() { return this.#ask('advance', []); }

  crash(thrown) { return this.#ask('crash', textsOf(thrown)); }

  #ask(step, args) {
    this.#latest = this.#steps[step].apply(undefined, args);
    return this.#latest;
  }

  dispose() { if (!this.isGone) this.#isolate.dispose(); }

  /** Ends what runs in there. Resolves when its thread is free, which native code may put off for ever. */
  async stop() {
    this.dispose();
    await this.#latest.catch(() => {});
  }
}

/** SECURITY: what a callback throws would appear inside the tenant's isolate, so it is thrown later, to the runner. */
function guarded(hear) {
  return (...said) => {
    try { hear(...said); } catch (error) { setImmediate(() => { throw error; }); }
  };
}

const NO_ERROR = 'An object was thrown from supplied code within isolated-vm'; // isolated-vm's words for any other object

function textsOf(thrown) {
  if (!(thrown instanceof Error)) return ['Error', String(thrown), ''];
  if (thrown.message.startsWith(NO_ERROR)) return ['Error', 'a promise was rejected with a value that is no Error', ''];
  return [String(thrown.name), String(thrown.message), String(thrown.stack)];
}
