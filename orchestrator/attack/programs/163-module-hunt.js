// expect: contained
// after: no-procs, slot-fresh; no name leads to a module of the real engine
// threat: Forgery and in-process tricks
const hits = [], tried = [];
const ways = [
  (n) => require(n), (n) => require.main.require(n), (n) => module.constructor._load(n), (n) => module.require(n), (n) => process.mainModule.require(n),
  (n) => process.getBuiltinModule(n), (n) => process.binding(n), (n) => require.cache[n], (n) => new module.constructor().require(n), (n) => require.call(null, { toString: () => n }),
];
for (const name of ['child_process', 'net', 'http', 'worker_threads', 'vm', 'module', 'inspector', 'v8', 'os', 'cluster', 'dgram', 'process', 'node:child_process', 'node:sea', 'internal/bootstrap/realm', '../isolated-vm.node', '/runner/isolated-vm.node', 'constructor', '__proto__', 'toString']) {
  for (const way of ways) {
    try { const got = way(name); if (got !== undefined && got !== null) hits.push(name); } catch (e) { tried.push(e.name); }
  }
}
output = hits.length ? 'ESCAPED: ' + hits.join(' ') : 'contained: ' + tried.length + ' refusals';
