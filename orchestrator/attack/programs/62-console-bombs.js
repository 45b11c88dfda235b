// expect: ok "done"
// after: slot-fresh, logs-flat; whatever is logged, showing it neither throws nor ends
const cyclic = {}; cyclic.self = cyclic; cyclic.list = [cyclic, new Map([[cyclic, new Set([cyclic])]])];
const deep = {}; let at = deep; for (let i = 0; i < 20000; i++) at = at.next = {};
const hostile = {
  get getter() { throw new Error('getter'); }, toString() { throw 1; }, valueOf() { throw 2; }, toJSON() { throw 3; },
  [Symbol.toPrimitive]() { throw 4; }, get [Symbol.toStringTag]() { throw 5; }, [Symbol.for('nodejs.util.inspect.custom')]() { throw 6; },
};
const trap = new Proxy(function () {}, new Proxy({}, { get() { return () => { throw new Error('trap'); }; } }));
const revoked = Proxy.revocable({}, {}); revoked.revoke();
const error = new Error('e'); Object.defineProperty(error, 'stack', { get() { throw 7; } }); error.cause = error;
const wide = Object.fromEntries(Array.from({ length: 3000 }, (_, i) => ['k' + i, i]));
for (const value of [cyclic, deep, hostile, trap, revoked.proxy, error, wide, new Array(1e4), 'x'.repeat(50000), Symbol('s'), 10n, -0, new Date(NaN), Object.create(null), new (class extends Map { get size() { throw 8; } })(), new WeakMap(), new Uint8Array(9999)]) {
  for (const method of ['log', 'error', 'warn', 'info', 'debug', 'dir', 'table', 'trace', 'assert', 'group', 'groupEnd', 'time', 'count']) {
    try { console[method]?.(value, '%s %o %d %j %c', value); } catch (e) {}
  }
}
output = 'done';
