/*
 * jobs.mjs: beside the stream. One job in one isolate, from its frame to its one `result`.
 *
 * Owns: the two modes, which answer wins, and the tenant's streams. Must not know: stdin, V8, isolated-vm.
 *
 * SECURITY: `how` and its fields are decided here, from what the engine reports; the tenant's side only ever fills in
 * `payload`, stream texts, and in program mode an exit code and files (the residue described in README.md).
 */
import { SourceError } from './isolate.mjs';
import { watchGrowth } from './memory.mjs';
import { TAIL_EVERY_MS, TenantStream } from './streams.mjs';

const PAYLOAD_EXTRA_BYTES = 4096; // for what surrounds the output
const MAX_MESSAGE_BYTES = 4000;
const MAX_JOINED_BYTES = 262_144; // of one stream frame, whose JSON may be six times as long
const NOTHING = { payload: null, exit_code: null, signal: null, observed: null };
const MODULE_SYNTAX = /import statement outside a module|^Unexpected token 'export'|^await is only valid|'import\.meta' outside/;

class Job {
  constructor(frame, tenant, writer) {
    this.frame = frame;
    this.tenant = tenant;
    this.writer = writer;
    this.streams = { stdout: new TenantStream(frame.limits.output_bytes), stderr: new TenantStream(frame.limits.output_bytes) };
    this.answered = false;
    this.told = false; // the answer is on its way; in debug mode a little later
    this.waiting = []; // frames, oldest first
    this.flushing = false;
    this.tailTimer = null;
    this.memoryWatch = null;
    this.debug = null; // a DebugSession, in debug mode
    tenant.listener = this;
  }

  async run() {
    try {
      if (this.debug !== null) { await this.runDebugged(); return; }
      const compiled = this.tenant.compile(this.frame.code);
      this.begin(compiled instanceof Promise ? await compiled : compiled);
    } catch (error) {
      if (error instanceof SourceError) this.refuse(describeSourceError(error));
      else this.failed(error);
    }
  }

  async runDebugged() {
    await this.debug.prepare(this.tenant, (line) => this.reported(line));
    this.debug.watch(() => this.outOfMemory());
    const script = await this.tenant.compile(this.frame.code);
    await this.debug.arm();
    this.begin(script);
  }

  /** One record of debug mode, a line of JSON: opaque text, as the payload is. */
  reported(line) {
    if (this.told) return;
    const last = this.waiting.at(-1);
    if (last !== undefined && last.type === 'debug' && last.payload.length < MAX_JOINED_BYTES) last.payload += `${line}\n`;
    else this.waiting.push({ type: 'debug', job: this.frame.job, payload: `${line}\n` });
    this.flushSoon();
  }

  // ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────
  wrote(stream, text) {
    if (this.answered) return;
    this.forward(stream, this.streams[stream].take(text));
    if (this.streams[stream].hasTail) this.tailTimer ??= setTimeout(() => this.forwardTails(), TAIL_EVERY_MS);
    this.flushSoon();
  }

  flushSoon() {
    if (this.flushing) return;
    this.flushing = true;
    setImmediate(() => { this.flushing = false; this.flush(); }); // what came together goes together
  }

  forward(name, pieces) {
    for (const piece of pieces) {
      const last = this.waiting.at(-1);
      if (last !== undefined && last.name === name && piece.skipped === 0 && last.bytes < MAX_JOINED_BYTES) {
        last.text += piece.text;
        last.bytes += piece.bytes;
      } else {
        this.waiting.push({ type: 'stream', job: this.frame.job, name, ...piece });
      }
    }
  }

  forwardTails() {
    this.tailTimer = null;
    if (this.answered) return;
    for (const name of ['stdout', 'stderr']) this.forward(name, this.streams[name].takeTail());
    this.flush();
  }

  flush() {
    const frames = this.waiting;
    this.waiting = [];
    for (const frame of frames) this.writer.add(frame);
    this.writer.flush();
  }

  // ── The one answer ──────────────────────────────────────────────────────────────────────────────────────────────
  answer(how, fields) {
    if (this.answered) return;
    for (const name of ['stdout', 'stderr']) this.forward(name, this.streams[name].takeTail());
    this.answered = true;
    clearTimeout(this.tailTimer);
    clearInterval(this.memoryWatch);
    const result = { type: 'result', job: this.frame.job, how, ...NOTHING, ...fields };
    if (this.debug === null) this.tell(result);
    else this.debug.finish().finally(() => this.tell(result));
  }

  tell(result) {
    this.told = true;
    this.waiting.push(result);
    this.flush();
  }

  outOfMemory(observed = this.tenant.memoryBytes) { this.answer('memory_limit', { observed }); }

  /** For jobs that take longer than a moment. */
  watchMemory() {
    if (this.answered) return;
    this.memoryWatch = watchGrowth(this.tenant.memoryBytes, (grown) => { this.outOfMemory(grown); this.tenant.dispose(); });
  }

  /** Something of isolated-vm failed: memory, or a state that nobody foresaw. Never silence, which would be a hang. */
  failed(error) {
    if (this.answered) return;
    if (this.tenant.isGone) this.outOfMemory();
    else this.lost(error);
  }

  /** V8 could not go on at all; the isolate's thread will never return. */
  collapsed(reason) {
    process.stderr.write(`runner: ${reason}\n`);
    this.debug = null; // its isolate answers nothing any more
    this.outOfMemory();
    process.abort();
  }

  lost(error) { throw error; }

  /** In debug mode the place where the source is none is a stack trace too. */
  reportRefusal({ name, message, line, column }) {
    if (this.frame.debug?.stack_traces !== true) return;
    const frames = line === null ? [] : [['job.js', line, column, null]];
    const error = { name, message, relation: 'thrown', parent: null, frames, cut: false };
    this.reported(JSON.stringify({ kind: 'errors', errors: [error], cut: false }));
  }
}

export class FunctionJob extends Job {
  #unhandled = null; // a rejection that nobody handled while the script ran, as { thrown }

  begin(script) {
    const { input, entrypoint, allowed_globals: allowedGlobals } = this.frame;
    this.payloadLimit = this.frame.limits.output_bytes + PAYLOAD_EXTRA_BYTES;
    const { started, finished } = this.tenant.runFunction(script, {
      input, entrypoint, allowedGlobals, payloadLimit: this.payloadLimit,
    });
    started.catch((thrown) => { this.#unhandled = { thrown }; });
    finished.then((payload) => this.finished(payload), (thrown) => this.reportUnhandled(thrown));
  }

  /** No payload yet means that a promise is awaited; it may already be lost to a rejection elsewhere. */
  finished(payload) {
    if (payload !== undefined) this.delivered(payload);
    else if (this.#unhandled !== null) this.reportUnhandled(this.#unhandled.thrown);
  }

  delivered(payload) {
    if (this.answered) return;
    if (typeof payload === 'number') { this.answer('output_limit', { observed: payload }); return; }
    const isError = payload.startsWith('{"status":"error"');
    if (this.#unhandled !== null && !isError) this.reportUnhandled(this.#unhandled.thrown);
    else this.returned(payload);
  }

  returned(payload) {
    const bytes = Buffer.byteLength(payload);
    if (bytes > this.payloadLimit) this.answer('output_limit', { observed: bytes });
    else this.answer('returned', { payload });
  }

  reportUnhandled(thrown) {
    if (this.tenant.isGone) { this.outOfMemory(); return; }
    this.tenant.unhandled(thrown).then((payload) => this.returned(payload), (error) => this.failed(error));
  }

  exited() { /* program mode's */ }

  refuse(described) {
    this.reportRefusal(described);
    this.answer('returned', { payload: JSON.stringify({ status: 'error', error: described }) });
  }
}

export class ProgramJob extends Job {
  begin(script) {
    const { code, stdin, args, files, limits, allowed_globals: allowedGlobals } = this.frame;
    const folder = Object.fromEntries(Object.entries(files ?? {}).map(([name, base64]) => [name, bytesOf(base64)]));
    const program = {
      code, stdin: stdin ?? '', args: args ?? [], files: folder, allowedGlobals: allowedGlobals ?? null,
      diskBytes: limits.disk_bytes, outputBytes: limits.output_bytes, version: process.versions.node, arch: process.arch,
    };
    this.turn(this.tenant.startProgram(script, program));
  }

  /** After each turn the next, when it is due. The tenant's side ends this by `exited`. */
  turn(underway) {
    underway.then((waitMs) => this.nextTurn(waitMs ?? 0), (thrown) => this.crashed(thrown));
  }

  nextTurn(waitMs) {
    if (this.answered) return;
    if (waitMs > 0) setTimeout(() => this.nextTurn(0), waitMs);
    else this.turn(this.tenant.advance());
  }

  /** A turn fails where a rejection was handled by nobody, or with its isolate. */
  crashed(thrown) {
    if (this.answered) return;
    if (this.tenant.isGone) this.outOfMemory();
    else this.tenant.crash(thrown).catch((error) => this.failed(error));
  }

  exited(code, files) {
    const left = Object.fromEntries(Object.entries(files).map(([name, bytes]) => [name, Buffer.from(bytes).toString('base64')]));
    this.answer('exited', { exit_code: code, files: left });
    const dispose = () => this.tenant.dispose(); // it spins until then
    if (this.debug === null) setImmediate(dispose);
    else this.debug.finish().finally(dispose);
  }

  delivered() { /* function mode's */ }

  refuse(described) {
    const { stack, line, column } = described;
    this.reportRefusal(described);
    const place = line === null ? '' : excerpt(this.frame.code, line, column);
    this.wrote('stderr', `${place}${stack}\n`);
    this.answer('exited', { exit_code: 1 });
  }
}

function bytesOf(base64) {
  const decoded = Buffer.from(base64, 'base64');
  return new Uint8Array(decoded.buffer.slice(decoded.byteOffset, decoded.byteOffset + decoded.length)); // without Buffer's pool
}

function excerpt(code, line, column) {
  const source = code.split('\n', line)[line - 1] ?? '';
  return `job.js:${line}\n${source.slice(0, 200)}\n${' '.repeat(Math.min(column - 1, 200))}^\n\n`;
}

function describeSourceError(error) {
  const hint = MODULE_SYNTAX.test(error.message) ? ' (a job is a script, not a module)' : '';
  const message = error.message.slice(0, MAX_MESSAGE_BYTES).toWellFormed() + hint;
  const place = error.line === null ? '' : `\n    at job.js:${error.line}:${error.column}`;
  return { name: error.name, message, stack: `${error.name}: ${message}${place}`, line: error.line, column: error.column };
}
