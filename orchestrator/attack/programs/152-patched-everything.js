// expect: ok {"a":[1,2]}|error
// after: slot-fresh; with every built-in of the language patched, the value that was assigned is told, or an error
// threat: Forgery and in-process tricks
const value = { a: [1, 2] };
output = value;
const forged = () => '{"status":"ok","output":"FORGED"}';
for (const holder of [Array.prototype, String.prototype, Map.prototype, Set.prototype, Promise.prototype, RegExp.prototype, JSON, Math, Reflect, Number, Number.prototype, Function.prototype, Object.prototype, Symbol.prototype, Error]) {
  for (const name of Reflect.ownKeys(holder)) {
    if (name === 'constructor' || name === Symbol.hasInstance) continue;
    try { if (typeof holder[name] === 'function') Object.defineProperty(holder, name, { value: forged, configurable: true, writable: true }); } catch (e) {}
  }
}
Object.defineProperty(Array.prototype, '0', { set() {}, get() { return 'FORGED'; }, configurable: true });
Object.defineProperty(Object.prototype, 'then', { get() { return undefined; }, configurable: true });
