// expect: js-constructor-chain @ 2:40
const AsyncFunction = (async () => {}).constructor;
output = new AsyncFunction('return 1')();
