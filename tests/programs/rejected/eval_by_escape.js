// expect: js-eval @ 2:10
output = \u0065val('1 + 1');
