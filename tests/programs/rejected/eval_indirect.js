// expect: js-eval @ 2:14
output = (0, eval)('this');
