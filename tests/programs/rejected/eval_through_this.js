// expect: js-eval @ 2:15
output = this.eval('1');
