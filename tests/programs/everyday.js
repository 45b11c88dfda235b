// A wide piece of honest work with the language, one section for each need. Prints what failed, by section.
// Run as a program job by tests/security/test_seccomp_on_engine.py; what it uses is what seccomp/node.json allows.
const failed = {};
const section = (name, f) => { try { f(); } catch (e) { failed[name] = String(e && e.stack || e); } };
section('language', () => { JSON.parse(JSON.stringify({a: [1, new Date(0)]})); /(a+)+b/.test('aaaa'); [3,1,2].sort(); new Map([[1, 2]]); 10n ** 200n; new Intl.NumberFormat('de').format(1.5); new Date().toLocaleString('fr', {timeZone: 'Europe/Paris'}); 'x'.normalize('NFD').localeCompare('y'); Math.random(); structuredCloneTest(); });
function structuredCloneTest() { if (typeof structuredClone === 'function') structuredClone({a: 1}); }
section('gc', () => { for (let i = 0; i < 60; i++) { let a = []; for (let j = 0; j < 20000; j++) a.push({j}); } for (let i = 0; i < 20; i++) new Uint8Array(1 << 20).fill(1); });
section('jit', () => { let s = 0; const f = (x) => x * 2 + 1; for (let i = 0; i < 5e6; i++) s += f(i); });
section('wasm', () => { const b = new Uint8Array([0,97,115,109,1,0,0,0,1,7,1,96,2,127,127,1,127,3,2,1,0,7,7,1,3,97,100,100,0,0,10,9,1,7,0,32,0,32,1,106,11]); const i = new WebAssembly.Instance(new WebAssembly.Module(b)); if (i.exports.add(2, 3) !== 5) throw 1; new WebAssembly.Memory({initial: 4}).grow(4); for (let k = 0; k < 3e5; k++) i.exports.add(k, 1); });
section('wasm out of bounds', () => { const b = new Uint8Array([0,97,115,109,1,0,0,0,1,6,1,96,1,127,1,127,3,2,1,0,5,3,1,0,1,7,5,1,1,108,0,0,10,9,1,7,0,32,0,40,2,0,11]); const l = new WebAssembly.Instance(new WebAssembly.Module(b)).exports.l; for (let k = 0; k < 1e5; k++) l(0); try { l(1 << 30); } catch (e) { if (e instanceof WebAssembly.RuntimeError) return; throw e; } throw new Error('no trap'); });
section('fs', () => { const fs = require('fs'); fs.writeFileSync('a.txt', 'x'); fs.readFileSync('a.txt', 'utf8'); fs.mkdirSync && 1; require('path').join('a', 'b'); });
section('sab', () => { if (typeof SharedArrayBuffer !== 'undefined') { const a = new Int32Array(new SharedArrayBuffer(8)); Atomics.add(a, 0, 1); } });
section('recursion', () => { try { (function f() { f(); })(); } catch (e) { if (!(e instanceof RangeError)) throw e; } });
(async () => {
  try { await new Promise((r) => setTimeout(r, 120)); await Promise.all([1, 2].map(async (x) => x)); const b = new Uint8Array([0,97,115,109,1,0,0,0]); await WebAssembly.compile(b); } catch (e) { failed.async = String(e && e.stack || e); }
  console.error('e'); for (let i = 0; i < 2000; i++) console.log('x'.repeat(100));
  console.log('FAILED ' + JSON.stringify(failed));
  process.exit(0);
})();
