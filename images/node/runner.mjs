/*
 * runner.mjs: the node image's runner. It speaks docs/protocol.md on stdin and stdout and serves one job,
 * and after each `renew` one more.
 *
 * Owns: the life of this process: warming, `ready`, pings, the one job at a time, the end.
 * Must not know: what a tenant does.
 *
 * SECURITY: tenant code never runs in this isolate. It alone holds descriptors 0, 1 and 2.
 */
import { readFileSync, readSync, writeSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { encodeFrame, FrameReader, FrameWriter } from './frames.mjs';
import { TenantIsolate } from './isolate.mjs';
import { FunctionJob, ProgramJob } from './jobs.mjs';
import { Surroundings } from './surroundings.mjs';

const DEFAULT_MEMORY_BYTES = 16 * 1024 * 1024; // Limits.memory_bytes: what a prepared isolate is made for
const EXIT_UNEXPECTED = 70;
const REHEARSALS = 30; // enough for the engine to know the types that pass through
const READ_BYTES = 65_536;
const ATTEND_AFTER_MS = 3; // a new Socket in the first moment would cost a short job half its time
const STOP_WITHIN_MS = 200;

const writer = new FrameWriter(1);
const reader = new FrameReader();
const surroundings = new Surroundings();
let prepared = null; // null while there is none, between a `renew` and its `kept`
let attending = false;
let tenant = null; // of the job that is served
let job = null;
let ending = false;

/** The end of this process waits for the tenant's thread, so that is stopped first, by force if need be. */
function end(code, sentence) {
  if (ending) return;
  ending = true;
  if (sentence !== undefined) writeSync(2, `runner: ${sentence}\n`);
  if (tenant === null) process.reallyExit(code);
  setTimeout(() => process.abort(), STOP_WITHIN_MS);
  tenant.stop().then(() => process.reallyExit(code));
}

function received(message, warm, frames) {
  if (ending) return;
  if (message.type === 'ping') frames.send({ type: 'pong', nonce: message.nonce });
  else if (message.type === 'job' && tenant === null && warm !== null) serve(message, warm, frames);
  else if (message.type === 'renew' && job?.answered && prepared !== null && typeof message.nonce === 'string') renew(message.nonce);
  else end(EXIT_UNEXPECTED, `unexpected frame ${JSON.stringify(message.type).slice(0, 40)}`);
}

function serve(message, warm, frames) {
  const wanted = message.limits.memory_bytes;
  const debug = message.debug === undefined ? null : debugSession(message);
  tenant = wanted === warm.memoryBytes && debug === null ? warm : new TenantIsolate(wanted, debug);
  job = new (message.mode === 'program' ? ProgramJob : FunctionJob)(message, tenant, frames);
  job.debug = debug;
  job.run();
  const served = job;
  if (attending) setTimeout(() => served.watchMemory(), ATTEND_AFTER_MS);
}

/** Debug mode, loaded when a job asks for it. */
function debugSession({ debug, limits }) {
  const { DebugSession } = createRequire(import.meta.url)('./debugging.cjs');
  return new DebugSession(debug, limits);
}

// ── Between two jobs of one tenant ────────────────────────────────────────────────────────────────────────────────
/**
 * Ends the isolate of the job that was answered, looks around, prepares a new isolate. Where the old one cannot be
 * ended in time, this process ends. INVARIANT: an answered job writes nothing any more, so `kept` follows its result.
 */
async function renew(nonce) {
  if (prepared !== tenant) prepared.dispose(); // the job had one made to its own measure
  prepared = null;
  const last = setTimeout(() => end(EXIT_UNEXPECTED, 'the isolate could not be ended'), STOP_WITHIN_MS);
  await tenant.stop();
  clearTimeout(last);
  if (ending) return;
  tenant = null;
  job = null;
  collectGarbage();
  const fresh = new TenantIsolate(DEFAULT_MEMORY_BYTES);
  await fresh.settle();
  const inspection = surroundings.inspect();
  prepared = fresh;
  writer.send({ type: 'kept', nonce, facts: facts(), inspection });
}

/** Left to itself V8 keeps the texts of many jobs before it tidies up: that would look like a leak. */
function collectGarbage() {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}

// ── Warming ───────────────────────────────────────────────────────────────────────────────────────────────────────
/** Small jobs of ours through every step, in an isolate that is thrown away: then this process's own code is compiled. */
async function rehearse() {
  const stage = new TenantIsolate(DEFAULT_MEMORY_BYTES);
  const frame = encodeFrame({
    type: 'job', job: 'rehearsal', mode: 'function', code: 'console.log(input.x); output = input.x + 1', input: '{"x":1}',
    entrypoint: null, allowed_globals: null, limits: { memory_bytes: DEFAULT_MEMORY_BYTES, output_bytes: 1024 },
  });
  for (let i = 0; i < REHEARSALS; i++) await rehearsed(frame, stage);
  stage.dispose();
}

function rehearsed(frame, stage) {
  return new Promise((resolve) => {
    const audience = {
      add(sent) { encodeFrame(sent); if (sent.type === 'result') { tenant = null; job = null; resolve(); } },
      flush() {},
    };
    for (const message of reader.feed(frame.subarray(0, frame.length))) received(message, stage, audience);
  });
}

function facts() {
  const fact = (name) => readFileSync(`/proc/self/${name}`, 'utf8');
  return { status: fact('status'), mountinfo: fact('mountinfo'), limits: fact('limits'), net_dev: fact('net/dev') };
}

// ── Listening ─────────────────────────────────────────────────────────────────────────────────────────────────────
/**
 * Until the job comes there is nothing else to do, so this thread waits in `read` itself: no poll, no stream in between.
 * Returns when a job is served, or where a read would not wait (somebody else made the descriptor non-blocking).
 */
function awaitJob() {
  while (tenant === null) {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES); // a new one each time: the reader keeps what it is fed
    const count = blockingRead(buffer);
    if (count === 0) end(0);
    if (count < 0) return;
    for (const message of reader.feed(buffer.subarray(0, count))) received(message, prepared, writer);
  }
}

function blockingRead(buffer) {
  for (;;) {
    try {
      return readSync(0, buffer);
    } catch (error) {
      if (error.code === 'EAGAIN') return -1;
      if (error.code !== 'EINTR') throw error;
    }
  }
}

/** While the job runs (and after): pings, the end of input, and how large this process grows. */
function attend() {
  attending = true;
  job?.watchMemory();
  const stdin = new Socket({ fd: 0, readable: true, writable: false });
  stdin.on('data', (chunk) => { for (const message of reader.feed(chunk)) received(message, prepared, writer); });
  stdin.on('end', () => end(0));
  stdin.on('error', () => end(0));
}

process.on('uncaughtException', (error) => {
  const hostIsGone = error.code === 'EPIPE';
  end(hostIsGone ? 0 : EXIT_UNEXPECTED, hostIsGone ? undefined : error.stack);
});

async function warmUp() {
  await rehearse();
  prepared = new TenantIsolate(DEFAULT_MEMORY_BYTES);
  await prepared.settle();
  await new Promise((resolve) => { setTimeout(resolve, ATTEND_AFTER_MS); }); // the first timer of a process is slow
  surroundings.settle();
  writer.send({ type: 'ready', runtime: 'node', version: process.versions.node, facts: facts() });
}

warmUp().then(() => setImmediate(() => { // outside of this module's own evaluation, whose end takes half a millisecond
  awaitJob();
  setTimeout(attend, tenant !== null ? ATTEND_AFTER_MS : 0); // most jobs have been answered by then
}));
