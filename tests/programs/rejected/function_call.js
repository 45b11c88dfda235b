// expect: js-function-constructor @ 2:10
output = Function('return this')();
