// expect: js-eval @ 2:29
const answer = (formula) => eval(formula);
output = answer(input.formula);
