/*
 * output.js: inside the tenant's isolate. A value of the tenant's as strict JSON text, or the reason why it has none.
 *
 * Owns: what JSON can carry, and the advice for what it cannot.
 * Must not know: jobs, frames.
 *
 * A walk checks and measures the value first; only then does the engine's own JSON.stringify write it. The walk
 * replaces what JSON.stringify would call tenant code for (toJSON) or unwrap (new Number(1)), copying only there.
 */
(function makeOutput(js) {
  'use strict';
  const { getPrototypeOf, isArray, isFinite, keysOf, ObjectPrototype, ArrayPrototype, stringify } = js;
  const MAX_DEPTH = 128;
  const { Number, String, Boolean } = globalThis; // allowed_globals may take the names away later

  // What stands in a prototype chain, and what to say of it. Own maps, so a tenant's changes to Map do not matter.
  const kinds = new js.Map();
  const kind = (prototype, name, advice) => js.mapSet(kinds, prototype, { __proto__: null, name, advice });
  kind(Date.prototype, 'Date', 'use its toISOString()');
  kind(Map.prototype, 'Map', 'use Object.fromEntries(map)');
  kind(Set.prototype, 'Set', 'use Array.from(set)');
  kind(WeakMap.prototype, 'WeakMap', 'its entries cannot be listed');
  kind(WeakSet.prototype, 'WeakSet', 'its entries cannot be listed');
  kind(WeakRef.prototype, 'WeakRef', 'use its deref()');
  kind(RegExp.prototype, 'RegExp', 'use its source');
  kind(Promise.prototype, 'Promise', 'await it first');
  kind(ArrayBuffer.prototype, 'ArrayBuffer', 'use Array.from(new Uint8Array(buffer)), or btoa()');
  kind(SharedArrayBuffer.prototype, 'SharedArrayBuffer', 'use Array.from(new Uint8Array(buffer))');
  kind(DataView.prototype, 'DataView', 'use Array.from(new Uint8Array(view.buffer))');
  kind(js.TypedArrayPrototype, 'TypedArray', 'use Array.from(), or btoa()');
  kind(js.IteratorPrototype, 'Iterator', 'use Array.from()');
  kind(Error.prototype, 'Error', 'use its message');
  kind(BigInt.prototype, 'BigInt', 'use its toString()');
  kind(Symbol.prototype, 'Symbol', 'use its description');

  const STOP = { __proto__: null }; // thrown to unwind a walk; what was wrong is in `problem`
  const path = [];
  const ancestors = [];
  for (let i = 0; i <= MAX_DEPTH + 1; i++) { path[i] = ''; ancestors[i] = null; }
  let problem = null;
  let size = 0;
  let maxSize = 0;

  function stop(depth, name, sentence) {
    let where = 'output';
    for (let i = 0; i < depth; i++) where += step(path[i]);
    problem = { __proto__: null, invalid: name, message: `${where}: ${sentence}` };
    throw STOP;
  }

  const IDENTIFIER = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;
  function step(key) {
    if (typeof key === 'number') return `[${key}]`;
    const shown = key.length > 200 ? `${js.slice(key, 0, 200)}…` : key;
    return js.match(IDENTIFIER, shown) !== null ? `.${shown}` : `[${stringify(js.toWellFormed(shown))}]`;
  }

  const article = (name) => (js.includes('AEIOU', name[0]) && !js.startsWith(name, 'Uint') ? 'an' : 'a');
  const unfit = (depth, name, advice) => stop(depth, name, `${article(name)} ${name} has no JSON form; ${advice}`);

  function count(bytes) {
    size += bytes;
    if (size > maxSize) { problem = { __proto__: null, tooLarge: size }; throw STOP; }
  }

  /** `value` ready for JSON.stringify: itself where it is plain data, else what stands for it (undefined: leave it out). */
  function plain(value, depth) {
    switch (typeof value) {
      case 'string': count(value.length + 2); return value;
      case 'boolean': count(4); return value;
      case 'number':
        if (!isFinite(value)) stop(depth, value !== value ? 'NaN' : 'Infinity', `${value} has no JSON form; use null`);
        count(1);
        return value;
      case 'object': return value === null ? (count(4), null) : plainObject(value, depth);
      case 'bigint': return unfit(depth, 'BigInt', 'use its toString()');
      case 'symbol': return unfit(depth, 'Symbol', 'use its description');
      case 'function': return unfit(depth, 'Function', 'call it, or leave it out');
      default: return stop(depth, 'undefined', 'undefined has no JSON form in a list; use null');
    }
  }

  function plainObject(value, depth) {
    const toJson = value.toJSON;
    if (typeof toJson === 'function' && toJson !== js.dateToJson) {
      const replaced = js.apply(toJson, value, [depth === 0 ? '' : js.toText(path[depth - 1])]);
      if (typeof replaced !== 'object' || replaced === null) return replaced === undefined ? replaced : plain(replaced, depth);
      return plainContainer(replaced, depth);
    }
    return plainContainer(value, depth);
  }

  function plainContainer(value, depth) {
    if (depth >= MAX_DEPTH) tooDeep(value, depth);
    ancestors[depth] = value;
    if (isArray(value)) return plainArray(value, depth);
    const prototype = getPrototypeOf(value);
    if (prototype !== ObjectPrototype && prototype !== null) {
      const boxed = unboxed(value, prototype, depth);
      if (boxed !== undefined) return plain(boxed, depth);
    }
    return plainRecord(value, depth);
  }

  function plainRecord(value, depth) {
    const keys = keysOf(value);
    let copy = null;
    count(2);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      const item = value[key];
      if (item === undefined) continue;
      path[depth] = key;
      count(key.length + 4);
      const made = plain(item, depth + 1);
      if (copy === null && made !== item) copy = copyRecord(value, keys, i);
      if (copy !== null && made !== undefined) define(copy, key, made);
    }
    return copy ?? value;
  }

  function plainArray(value, depth) {
    const { length } = value;
    let copy = null;
    count(2);
    for (let i = 0; i < length; i++) {
      const item = value[i];
      path[depth] = i;
      count(1);
      const made = plain(item, depth + 1) ?? null;
      if (copy === null && made !== item) copy = copyArray(value, i);
      if (copy !== null) define(copy, i, made);
    }
    return copy ?? value;
  }

  function define(target, key, value) {
    js.defineProperty(target, key, { __proto__: null, value, enumerable: true, writable: true, configurable: true });
  }

  function copyRecord(value, keys, end) {
    const copy = { __proto__: null };
    for (let i = 0; i < end; i++) define(copy, keys[i], value[keys[i]]);
    return copy;
  }

  function copyArray(value, end) {
    const copy = [];
    for (let i = 0; i < end; i++) define(copy, i, value[i]);
    return copy;
  }

  /** The primitive inside `new Number(1)` and its like; undefined for any other object that JSON can carry. */
  function unboxed(value, prototype, depth) {
    for (let at = prototype; at !== null; at = getPrototypeOf(at)) {
      if (at === Number.prototype) return js.numberOf(value);
      if (at === String.prototype) return js.stringOf(value);
      if (at === Boolean.prototype) return js.booleanOf(value);
      const found = js.mapGet(kinds, at);
      if (found !== undefined) {
        unfit(depth, at === js.TypedArrayPrototype ? js.typedArrayTag(value) ?? found.name : found.name, found.advice);
      }
      if (at === ArrayPrototype || at === ObjectPrototype) return undefined;
    }
    return undefined;
  }

  /** Too deep is either a cycle (then say where it closes first) or just deep. */
  function tooDeep(value, depth) {
    ancestors[depth] = value;
    for (let inner = 1; inner <= depth; inner++) {
      for (let outer = 0; outer < inner; outer++) {
        if (ancestors[outer] === ancestors[inner]) stop(inner, 'Cycle', 'a value that contains itself has no JSON form');
      }
    }
    stop(8, 'Depth', `nested more than ${MAX_DEPTH} levels deep; make it flatter`);
  }

  const ADVICE = 'a text with half a surrogate pair has no UTF-8 form; use its toWellFormed()';
  function checkTexts(value, depth) {
    if (typeof value === 'string' && !js.isWellFormed(value)) stop(depth, 'String', ADVICE);
    if (typeof value !== 'object' || value === null) return;
    const keys = keysOf(value);
    for (let i = 0; i < keys.length; i++) {
      path[depth] = isArray(value) ? js.toNumber(keys[i]) : keys[i];
      if (!js.isWellFormed(keys[i])) stop(depth + 1, 'String', ADVICE);
      checkTexts(value[keys[i]], depth + 1);
    }
  }

  function write(value) {
    const data = value === undefined ? null : plain(value, 0) ?? null;
    const text = stringify(data);
    // JSON.stringify writes a lone surrogate as \udXXX, and only then is the second walk worth its time.
    if (js.includes(text, '\\ud')) checkTexts(data, 0);
    return text;
  }

  /**
   * `{ text }`, `{ tooLarge: bytes counted so far }` or `{ invalid: type, message }`.
   * Throws what the tenant's getters and toJSON functions throw.
   */
  function toJson(value, maxBytes) {
    size = 0;
    maxSize = maxBytes;
    try {
      const text = write(value);
      return text.length > maxBytes ? { __proto__: null, tooLarge: text.length } : { __proto__: null, text };
    } catch (thrown) {
      if (thrown !== STOP) throw thrown;
      return problem;
    } finally {
      for (let i = 0; i <= MAX_DEPTH; i++) ancestors[i] = null;
    }
  }

  return { __proto__: null, toJson };
})
