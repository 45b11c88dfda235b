// expect: js-eval @ 2:24
const run = globalThis["ev" + "al"];
output = run('1 + 1');
