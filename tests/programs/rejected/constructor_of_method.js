// expect: js-constructor-chain @ 2:24
const make = [].filter.constructor('return 1');
output = make();
