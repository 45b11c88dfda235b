// expect: js-eval @ 3:21
const part = 'anything';
output = globalThis[`ev${'al'}`]('2 + 2');
