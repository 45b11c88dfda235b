// expect: js-constructor-chain @ 2:25
output = [].constructor.constructor('return this')();
