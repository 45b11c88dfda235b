// expect: js-eval @ 3:10
var eval;
output = eval('1 + 1');
