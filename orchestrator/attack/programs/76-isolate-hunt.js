// expect: contained
// after: slot-fresh; nothing that can be reached from the globals, by any property, prototype or constructor, is of the runner
const seen = new Set(), hits = [], queue = [[globalThis, 'globalThis'], [(function () {}).constructor, 'Function'], [(async () => {}).constructor, 'AsyncFunction'], [(function* () {}).constructor, 'GeneratorFunction'], [(async function* () {}).constructor, 'AsyncGeneratorFunction']];
const OwnFunction = Function, OwnObject = Object;
const foreign = /^(Reference|Callback|ExternalCopy|Isolate|Context|Module|ModuleWrap|Script|InspectorSession|Socket|Pipe|FSReqCallback)$/;
const own = typeof process === 'object' ? process : undefined;
for (let n = 0; queue.length && n < 60000; n++) {
  const [value, path] = queue.shift();
  if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) continue;
  seen.add(value);
  let keys = [];
  try { keys = Reflect.ownKeys(value); } catch (e) { continue; }
  try { const p = Object.getPrototypeOf(value); queue.push([p, path + '.__proto__']); if (p !== null && !(value instanceof OwnObject) && Object.getPrototypeOf(p) !== null && p !== OwnObject.prototype) { let top = p; while (Object.getPrototypeOf(top)) top = Object.getPrototypeOf(top); if (top !== OwnObject.prototype) hits.push('foreign realm ' + path); } } catch (e) {}
  try { if (typeof value === 'function' && value !== OwnFunction.prototype && !(value instanceof OwnFunction)) hits.push('foreign function ' + path); } catch (e) {}
  try { if (value.constructor && foreign.test(value.constructor.name) && value.constructor !== WebAssembly.Module) hits.push(value.constructor.name + ' at ' + path); } catch (e) {}
  for (const k of keys) {
    if (['caller', 'callee', 'arguments'].includes(k)) continue;
    let d; try { d = Object.getOwnPropertyDescriptor(value, k); } catch (e) { continue; }
    for (const inner of [d?.value, d?.get, d?.set]) queue.push([inner, path + '.' + String(k)]);
  }
}
for (const source of ['process', 'require', 'global', 'Buffer', 'ivm', 'module', '__filename', 'Deno', 'Bun', 'internalBinding', 'primordials', '$262', 'd8', 'gc']) {
  try { const found = OwnFunction('return typeof ' + source + ' === "undefined" ? undefined : ' + source)(); if (found !== undefined && typeof found !== 'string' && !seen.has(found)) hits.push('unlisted ' + source); } catch (e) {}
}
if (own && (typeof own.binding === 'function' || typeof own.dlopen === 'function' || typeof own.getBuiltinModule === 'function' || typeof own.kill === 'function')) hits.push('a real process');
output = hits.length ? 'ESCAPED: ' + hits.slice(0, 6).join('; ') : 'contained: ' + seen.size + ' objects, all of them this job\'s own';
