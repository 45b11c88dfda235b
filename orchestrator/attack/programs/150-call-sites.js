// expect: contained
// after: slot-fresh; stack traces made by the job's own hook show frames, and give no way into them
// threat: Forgery and in-process tricks
const hits = [];
let frames = 0;
Error.prepareStackTrace = (error, sites) => {
  for (const site of sites) {
    frames++;
    for (const [name, get] of [['getThis', () => site.getThis()], ['getFunction', () => site.getFunction()], ['getEvalOrigin', () => site.getEvalOrigin()]]) {
      let value; try { value = get(); } catch (e) { continue; }
      if (value === undefined || value === null || value === globalThis || typeof value === 'string') continue;
      try {
        const F = value.constructor.constructor === Function ? null : value.constructor.constructor;
        if (F && F('return typeof process')() === 'object' && typeof F('return process')().binding === 'function') hits.push(name);
        if (typeof value === 'function' && /boot|deliver|script|context/.test(String(value)) && !/job/.test(value.name)) hits.push(name + ' ' + value.name);
      } catch (e) {}
    }
    if (/\/runner|node:|file:/.test(String(site.getFileName()))) hits.push('file ' + site.getFileName());
  }
  return 'stack';
};
new Error().stack;
try { null.x; } catch (e) { e.stack; }
try { atob('%%%'); } catch (e) { e.stack; }
try { console.log({ get x() { return new Error().stack; } }, { [Symbol.toPrimitive]() { return new Error().stack; } }); } catch (e) { e.stack; }
[3, 2, 1].sort(() => { new Error().stack; return 0; });
Promise.resolve().then(() => new Error().stack);
output = hits.length ? 'ESCAPED: ' + hits.join('; ') : 'contained: ' + frames + ' frames, none of them open';
