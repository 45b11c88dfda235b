/*
 * debug.js: inside the tenant's isolate, and only of jobs in debug mode. Values, console calls and errors as records.
 *
 * Owns: what is recorded of a value, a call of the console, a thrown error, all bounded; each record is one line of JSON.
 * Must not know: how a record travels; it is given `report(line)`. Nothing of it is the tenant's to call.
 *
 * SECURITY: records are texts that are put together here. No object is handed to JSON.stringify, which would ask its
 * `toJSON`; no accessor is called. A proxy's traps run, as they do for `console.log`.
 */
(function makeDebug(js, text, inspect, report, wanted) {
  'use strict';
  const { stringify, slice, indexOf, startsWith, match, isArray, getPrototypeOf, getOwnPropertyDescriptor } = js;
  const MAX_ENTRIES = 20;
  const MAX_TEXT = 200;
  const MAX_NAME = 100;
  const MAX_DEPTH = 3;
  const MAX_CALLS = 1000;
  const MAX_ARGUMENTS = 10;
  const MAX_CONSOLE = 524_288; // characters of all records of the console
  const MAX_ERRORS = 10;
  const MAX_FRAMES = 32;
  const MAX_MESSAGE = 2048;
  const RegExpPrototype = globalThis.RegExp.prototype;

  // ── Values ──────────────────────────────────────────────────────────────────────────────────────────────────────
  const named = (name) => stringify(text.cut(name, MAX_NAME));

  function classNameOf(value) {
    for (let at = value; at !== null; at = getPrototypeOf(at)) {
      const own = getOwnPropertyDescriptor(at, 'constructor');
      if (own === undefined || typeof own.value !== 'function') continue;
      const name = getOwnPropertyDescriptor(own.value, 'name');
      if (name !== undefined && typeof name.value === 'string' && name.value !== '') return name.value;
    }
    return 'Object';
  }

  function simple(type, shown) {
    return shown.length > MAX_TEXT
      ? `[${named(type)},${stringify(`${js.toWellFormed(slice(shown, 0, MAX_TEXT))}…`)},[],true]`
      : `[${named(type)},${stringify(js.toWellFormed(shown))}]`;
  }

  function ofString(value) {
    if (value.length <= MAX_TEXT) return `["string",${stringify(stringify(js.toWellFormed(value)))}]`;
    const start = stringify(js.toWellFormed(slice(value, 0, MAX_TEXT)));
    return `["string",${stringify(`${start}… (${value.length} in all)`)},[],true]`;
  }

  /** `value` as JSON text: [type, text], with entries as a third item where it has some, and true where there are more. */
  function show(value, depth = MAX_DEPTH) {
    try { return shown(value, depth); } catch { return '["object","<cannot be shown>",[],true]'; }
  }

  function shown(value, depth) {
    switch (typeof value) {
      case 'string': return ofString(value);
      case 'bigint': return simple('bigint', inspect(value));
      case 'function': return simple('function', inspect(value, 0));
      case 'object': return value === null ? '["null","null"]' : ofObject(value, depth);
      default: return simple(typeof value, inspect(value));
    }
  }

  function ofObject(value, depth) {
    const name = classNameOf(value);
    if (isArray(value)) return withEntries(name, `${name}(${value.length})`, value.length, depth, (add) => items(value, value.length, add, depth));
    const size = sizeOf(js.mapSize, value);
    if (size >= 0) return withEntries(name, `${name}(${size})`, size, depth, (add) => mapItems(value, add, depth));
    const count = sizeOf(js.setSize, value);
    if (count >= 0) return withEntries(name, `${name}(${count})`, count, depth, (add) => setItems(value, add, depth));
    if (js.isView(value) && sizeOf(js.bytesLength, value) >= 0) {
      const length = js.bytesLength(value);
      return withEntries(name, `${name}(${length})`, length, depth, (add) => items(value, length, add, depth));
    }
    if (js.isError(value)) return simple(name, errorText(value, name));
    const summary = speaks(value);
    if (summary !== null) return simple(name, summary);
    const keys = js.keysOf(value);
    return withEntries(name, name, keys.length, depth, (add) => fields(value, keys, add, depth));
  }

  function sizeOf(getter, value) {
    try { return getter(value); } catch { return -1; } // of another kind
  }

  function errorText(error, name) {
    const own = getOwnPropertyDescriptor(error, 'message');
    return own !== undefined && typeof own.value === 'string' && own.value !== '' ? `${name}: ${own.value}` : name;
  }

  /** Dates, regular expressions and boxed primitives say themselves what they are. */
  function speaks(value) {
    try { return js.isFinite(js.dateTime(value)) ? js.dateIso(value) : 'Invalid Date'; } catch { /* no date */ }
    const prototype = getPrototypeOf(value);
    if (prototype !== null && prototype === RegExpPrototype) return js.regexpText(value);
    return null;
  }

  function withEntries(name, summary, length, depth, list) {
    if (length === 0) return simple(name, summary);
    if (depth === 0) return `[${named(name)},${named(summary)},[],true]`;
    let entries = '';
    let more = length > MAX_ENTRIES;
    let room = MAX_ENTRIES;
    list((key, item) => {
      if (room-- <= 0) { more = true; return; }
      entries += `${entries === '' ? '' : ','}[${named(key)},${item}]`;
    });
    return `[${named(name)},${named(summary)},[${entries}]${more ? ',true' : ''}]`;
  }

  function items(value, length, add, depth) {
    for (let i = 0; i < length && i < MAX_ENTRIES; i++) {
      const own = getOwnPropertyDescriptor(value, i);
      if (own !== undefined) add(`${i}`, property(own, depth));
    }
  }

  function fields(value, keys, add, depth) {
    for (let i = 0; i < keys.length && i < MAX_ENTRIES; i++) {
      const own = getOwnPropertyDescriptor(value, keys[i]);
      if (own !== undefined) add(keys[i], property(own, depth));
    }
  }

  function property(own, depth) {
    return js.hasOwn(own, 'value') ? shown(own.value, depth - 1) : '["accessor","[Getter]"]';
  }

  function mapItems(value, add, depth) {
    let left = MAX_ENTRIES;
    js.mapEach(value, (item, key) => { if (left-- > 0) add(inspect(key, 0), shown(item, depth - 1)); });
  }

  function setItems(value, add, depth) {
    let at = 0;
    js.setEach(value, (item) => { if (at < MAX_ENTRIES) add(`${at}`, shown(item, depth - 1)); at++; });
  }

  // ── Places ──────────────────────────────────────────────────────────────────────────────────────────────────────
  const FRAME = /^ {4}at (?:async )?(?:(.*?) \()?job\.js:(\d+):(\d+)\)?$/;

  /** The tenant's frames in a stack, innermost first, as JSON texts. */
  function framesIn(stack, most) {
    const found = [];
    for (let from = 0, end; from < stack.length && found.length < most; from = end + 1) {
      end = indexOf(stack, '\n', from);
      if (end < 0) end = stack.length;
      const place = match(FRAME, slice(stack, from, end));
      if (place !== null) found[found.length] = `["job.js",${place[2]},${place[3]},${place[1] === undefined ? 'null' : named(place[1])}]`;
    }
    return found;
  }

  /** Where the tenant's innermost call is. Its Error may be locked or replaced: then nowhere. */
  function here() {
    const hook = getOwnPropertyDescriptor(js.Error, 'prepareStackTrace');
    const limit = getOwnPropertyDescriptor(js.Error, 'stackTraceLimit');
    try {
      if (hook !== undefined && !js.deleteProperty(js.Error, 'prepareStackTrace')) return 'null';
      js.defineProperty(js.Error, 'stackTraceLimit', { __proto__: null, value: 12, writable: true, configurable: true, enumerable: true });
      const { stack } = new js.Error();
      return typeof stack === 'string' ? framesIn(stack, 1)[0] ?? 'null' : 'null';
    } catch {
      return 'null';
    } finally {
      if (hook !== undefined) restore('prepareStackTrace', hook);
      if (limit !== undefined) restore('stackTraceLimit', limit);
    }
  }

  function restore(name, own) {
    const { enumerable, configurable } = own;
    js.defineProperty(js.Error, name, js.hasOwn(own, 'value')
      ? { __proto__: null, value: own.value, writable: own.writable, enumerable, configurable }
      : { __proto__: null, get: own.get, set: own.set, enumerable, configurable });
  }

  // ── The console ─────────────────────────────────────────────────────────────────────────────────────────────────
  const STDERR = new js.Map();
  const errorMethods = ['warn', 'error', 'trace', 'assert'];
  for (let i = 0; i < errorMethods.length; i++) js.mapSet(STDERR, errorMethods[i], true);
  let began = 0; // when the tenant's code began to run
  let calls = 0;
  let room = MAX_CONSOLE;
  let isCut = false;

  function cutConsole() {
    if (isCut) return;
    isCut = true;
    report('{"kind":"cut","part":"console"}');
  }

  function recordCall(stream, level, args) {
    if (began === 0) return;
    if (calls >= MAX_CALLS || room <= 0) { cutConsole(); return; }
    calls++;
    let listed = '';
    for (let i = 0; i < args.length && i < MAX_ARGUMENTS; i++) listed += `${i === 0 ? '' : ','}${show(args[i])}`;
    const line = `{"kind":"console","ms":${js.now() - began},"stream":"${stream}","level":"${level}","args":[${listed}],`
      + `"at":${here()},"cut":${args.length > MAX_ARGUMENTS}}`;
    room -= line.length;
    if (room < 0) cutConsole();
    else report(line);
  }

  /** The methods of `plain`, each of which records its call before it does what it always does. */
  function watchedConsole(plain) {
    if (!wanted.console) return plain;
    const watched = {};
    const names = js.keysOf(plain);
    for (let i = 0; i < names.length; i++) watched[names[i]] = watchedMethod(names[i], plain[names[i]]);
    return watched;
  }

  function watchedMethod(name, plain) {
    const stream = js.mapHas(STDERR, name) ? 'stderr' : 'stdout';
    // A method of that name, as the plain one is; an assertion that holds prints nothing.
    const watched = { [name](...args) {
      if (name !== 'assert' || !args[0]) recordCall(stream, name, args);
      return js.apply(plain, undefined, args);
    } };
    return watched[name];
  }

  /** For what is written to process.stdout and process.stderr. */
  function written(stream, chunk) {
    if (wanted.console) recordCall(stream, 'write', [chunk]);
  }

  // ── Errors ──────────────────────────────────────────────────────────────────────────────────────────────────────
  function link(described, relation, parent) {
    const frames = framesIn(described.stack, MAX_FRAMES + 1);
    const more = frames.length > MAX_FRAMES;
    if (more) frames.length = MAX_FRAMES;
    return `{"name":${named(described.name)},"message":${stringify(text.cut(described.message, MAX_MESSAGE))},`
      + `"relation":"${relation}","parent":${parent},"frames":[${js.join(frames, ',')}],"cut":${more}}`;
  }

  const isObject = (value) => (typeof value === 'object' && value !== null) || typeof value === 'function';

  function ownData(value, name) {
    if (!isObject(value)) return undefined;
    const own = getOwnPropertyDescriptor(value, name);
    return own === undefined || !js.hasOwn(own, 'value') ? undefined : own.value;
  }

  /** What led to `thrown`, as [relation, error] pairs: its cause, and what an AggregateError holds. */
  function related(thrown) {
    const found = [];
    const cause = ownData(thrown, 'cause');
    if (cause !== undefined) found[0] = ['cause', cause];
    const members = ownData(thrown, 'errors');
    if (!isArray(members)) return found;
    for (let i = 0; i < members.length && i < MAX_ERRORS; i++) found[found.length] = ['member', ownData(members, i)];
    return found;
  }

  function chain(thrown, described, describe) {
    const waiting = [{ __proto__: null, value: thrown, relation: 'thrown', parent: null, described }];
    const seen = [];
    let told = '';
    let count = 0;
    let at = 0;
    for (; at < waiting.length && count < MAX_ERRORS; at++) {
      const one = waiting[at];
      if (isObject(one.value) && isIn(seen, one.value)) continue;
      seen[seen.length] = one.value;
      told += `${count === 0 ? '' : ','}${link(one.described ?? describe(one.value), one.relation, one.parent)}`;
      const next = related(one.value);
      for (let i = 0; i < next.length; i++) {
        waiting[waiting.length] = { __proto__: null, relation: next[i][0], value: next[i][1], parent: count, described: null };
      }
      count++;
    }
    return `{"kind":"errors","errors":[${told}],"cut":${at < waiting.length}}`;
  }

  function isIn(list, value) {
    for (let i = 0; i < list.length; i++) if (list[i] === value) return true;
    return false;
  }

  /** `plain`, which also records what it describes: it is asked once, for the error that ends a job. */
  function watchedErrors(plain) {
    if (!wanted.stackTraces) return plain;
    return {
      __proto__: null,
      describe(thrown) {
        const described = plain.describe(thrown);
        if (began === 0) return described;
        try { report(chain(thrown, described, plain.describe)); } catch { report('{"kind":"cut","part":"errors"}'); }
        return described;
      },
      describeTexts(name, message, stack) {
        const described = plain.describeTexts(name, message, stack);
        report(`{"kind":"errors","errors":[${link(described, 'thrown', null)}],"cut":false}`);
        return described;
      },
    };
  }

  // ── Variables, for the steps ────────────────────────────────────────────────────────────────────────────────────
  const MAX_VARIABLES = 40;
  const STEP_DEPTH = 1;
  const ambient = new js.Map(); // globals that were there before the tenant's code

  /** Undefined for a variable that the code has not come to yet: reading it throws. */
  function declared(scope, name) {
    try { return getOwnPropertyDescriptor(scope, name); } catch { return undefined; }
  }

  /** A value, and the variables of up to six scopes, innermost first, as one JSON text. Called by the debugger only. */
  function variables(value, a, b, c, d, e, f) {
    const scopes = [a, b, c, d, e, f];
    let listed = '';
    const names = new js.Map();
    for (let s = 0; s < scopes.length; s++) {
      const scope = scopes[s];
      if (scope === undefined) break;
      const own = js.ownKeys(scope);
      for (let i = 0; i < own.length && js.mapSize(names) < MAX_VARIABLES; i++) {
        const name = own[i];
        if (typeof name !== 'string' || js.mapHas(names, name) || (scope === globalThis && js.mapHas(ambient, name))) continue;
        const found = declared(scope, name);
        if (found === undefined || !js.hasOwn(found, 'value')) continue;
        js.mapSet(names, name, true);
        listed += `${listed === '' ? '' : ','}[${named(name)},${show(found.value, STEP_DEPTH)}]`;
      }
    }
    return `{"value":${show(value, STEP_DEPTH)},"variables":[${listed}]}`;
  }

  /** From here on the tenant's code runs. */
  function begin() {
    began = js.now();
    const own = js.ownKeys(globalThis);
    for (let i = 0; i < own.length; i++) if (own[i] !== 'output' && own[i] !== 'input') js.mapSet(ambient, own[i], true);
  }

  return { __proto__: null, watchedConsole, watchedErrors, written, variables, show, begin };
})
