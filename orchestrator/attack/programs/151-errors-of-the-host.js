// expect: contained
// after: slot-fresh; errors that come up at the edge of the stack, or out of functions of the sandbox, are of this engine only
// threat: Forgery and in-process tricks
const hits = [];
function check(thrown, where) {
  if (thrown === null || (typeof thrown !== 'object' && typeof thrown !== 'function')) return;
  if (!(thrown instanceof Object)) hits.push('foreign object from ' + where);
  try {
    const F = thrown.constructor.constructor;
    if (F !== Function || F('return typeof process === "object" && typeof process.binding')() === 'function') hits.push('foreign constructor from ' + where);
  } catch (e) {}   // the stack may be too short for the question itself
}
const acts = {
  log: () => console.log('x'), error: () => console.error({ a: { b: [1] } }), btoa: () => btoa('x'), atob: () => atob('eA=='), badAtob: () => atob('\u0100'),
  throwing: () => console.log({ toString() { throw new Proxy({}, { get() { throw null; } }); } }), compile: () => new WebAssembly.Module(new Uint8Array(4)),
};
for (const [name, act] of Object.entries(acts)) {
  try { act(); } catch (e) { check(e, name); }
  let left = 200;   // how often to try again on the way back from the edge of the stack
  (function dive() {
    try {
      dive();
    } catch (e) {
      check(e, name + ', on the way back');
      if (left-- > 0) try { act(); } catch (e2) { check(e2, name + ', at the edge'); }
    }
  })();
}
output = hits.length ? 'ESCAPED: ' + [...new Set(hits)].slice(0, 6).join('; ') : 'contained: every error was of this engine';
