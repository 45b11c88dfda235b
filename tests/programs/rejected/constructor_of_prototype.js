// expect: js-constructor-chain @ 2:66
const GeneratorFunction = Object.getPrototypeOf(function* () {}).constructor;
output = typeof GeneratorFunction;
