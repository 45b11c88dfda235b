/*
 * intrinsics.js: inside the tenant's isolate. The language's own functions, taken before any tenant code runs.
 *
 * Owns: the captured copies that every other file in here works with.
 * Must not know: jobs, streams, the host.
 *
 * SECURITY: a tenant may replace any property of any built-in. Files that run after tenant code therefore never
 * look a method up on a value (`text.slice()`), never spread or iterate an array, and never read a missing property
 * of an object that inherits from Object.prototype. They call what was captured here.
 */
(function makeIntrinsics() {
  'use strict';
  const { getPrototypeOf, getOwnPropertyDescriptor, defineProperty, deleteProperty, ownKeys, apply } = Reflect;
  const uncurry = Function.prototype.bind.bind(Function.prototype.call); // (method) => (self, ...args) => result

  const getterOf = (prototype, name) => uncurry(getOwnPropertyDescriptor(prototype, name).get);
  const TypedArrayPrototype = getPrototypeOf(Uint8Array.prototype);
  const IteratorPrototype = getPrototypeOf(getPrototypeOf([][Symbol.iterator]()));

  return Object.freeze({
    __proto__: null,
    // Reflect and Object
    apply, getPrototypeOf, getOwnPropertyDescriptor, defineProperty, deleteProperty, ownKeys,
    keysOf: Object.keys, freeze: Object.freeze, hasOwn: Object.hasOwn,
    ObjectPrototype: Object.prototype, FunctionPrototype: Function.prototype,
    isEnumerable: uncurry(Object.prototype.propertyIsEnumerable),
    functionText: uncurry(Function.prototype.toString),
    // Numbers
    isFinite: Number.isFinite, isInteger: Number.isInteger, toNumber: Number, parseInt, parseFloat,
    floor: Math.floor, round: Math.round, sqrt: Math.sqrt, min: Math.min, max: Math.max,
    numberText: uncurry(Number.prototype.toString), bigintText: uncurry(BigInt.prototype.toString),
    numberOf: uncurry(Number.prototype.valueOf), stringOf: uncurry(String.prototype.valueOf),
    booleanOf: uncurry(Boolean.prototype.valueOf), bigintOf: uncurry(BigInt.prototype.valueOf),
    symbolOf: uncurry(Symbol.prototype.valueOf), symbolText: uncurry(Symbol.prototype.toString),
    toBigInt: BigInt, now: Date.now,
    // Texts
    toText: String, fromCharCode: String.fromCharCode, fromCodePoint: String.fromCodePoint,
    charCodeAt: uncurry(String.prototype.charCodeAt), codePointAt: uncurry(String.prototype.codePointAt),
    slice: uncurry(String.prototype.slice), indexOf: uncurry(String.prototype.indexOf),
    lastIndexOf: uncurry(String.prototype.lastIndexOf), includes: uncurry(String.prototype.includes),
    startsWith: uncurry(String.prototype.startsWith), endsWith: uncurry(String.prototype.endsWith),
    padStart: uncurry(String.prototype.padStart), padEnd: uncurry(String.prototype.padEnd),
    repeat: uncurry(String.prototype.repeat), toLowerCase: uncurry(String.prototype.toLowerCase),
    isWellFormed: uncurry(String.prototype.isWellFormed), toWellFormed: uncurry(String.prototype.toWellFormed),
    match: uncurry(RegExp.prototype.exec), regexpText: uncurry(RegExp.prototype.toString),
    // Arrays
    isArray: Array.isArray, join: uncurry(Array.prototype.join), splice: uncurry(Array.prototype.splice),
    copyOf: uncurry(Array.prototype.slice), sort: uncurry(Array.prototype.sort),
    shift: uncurry(Array.prototype.shift), ArrayPrototype: Array.prototype,
    // JSON, evaluation, errors
    parse: JSON.parse, stringify: JSON.stringify, evaluate: globalThis.eval,
    Error, TypeError, RangeError, ReferenceError,
    isError: Error.isError ?? ((value) => value instanceof Error),
    // Maps, sets, dates, buffers
    Map, mapGet: uncurry(Map.prototype.get), mapSet: uncurry(Map.prototype.set), mapHas: uncurry(Map.prototype.has),
    mapDelete: uncurry(Map.prototype.delete), mapEach: uncurry(Map.prototype.forEach),
    mapSize: getterOf(Map.prototype, 'size'), setEach: uncurry(Set.prototype.forEach),
    setSize: getterOf(Set.prototype, 'size'),
    MapPrototype: Map.prototype, SetPrototype: Set.prototype,
    DatePrototype: Date.prototype, dateToJson: Date.prototype.toJSON,
    dateTime: uncurry(Date.prototype.getTime), dateIso: uncurry(Date.prototype.toISOString),
    Uint8Array, TypedArrayPrototype, IteratorPrototype,
    bytesLength: getterOf(TypedArrayPrototype, 'length'), bytesSet: uncurry(TypedArrayPrototype.set),
    bytesSlice: uncurry(TypedArrayPrototype.subarray), typedArrayTag: getterOf(TypedArrayPrototype, Symbol.toStringTag),
    isView: ArrayBuffer.isView, bufferLength: getterOf(ArrayBuffer.prototype, 'byteLength'),
    // Promises
    Promise, PromisePrototype: Promise.prototype, promiseThen: uncurry(Promise.prototype.then),
    promiseResolve: Promise.resolve.bind(Promise), promiseReject: Promise.reject.bind(Promise),
  });
})
