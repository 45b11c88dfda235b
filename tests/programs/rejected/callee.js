// expect: js-caller @ 3:67
// policy: strict
const factorial = function (n) { return n < 2 ? 1 : n * arguments.callee(n - 1); };
output = factorial(5);
