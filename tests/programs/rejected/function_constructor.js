// expect: js-function-constructor @ 2:17
const add = new Function('a', 'b', 'return a + b');
output = add(1, 2);
