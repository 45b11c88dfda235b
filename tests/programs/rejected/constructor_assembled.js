// expect: js-constructor-chain @ 2:21
const F = (() => 0)['con' + 'structor'];
output = F('return 1')();
