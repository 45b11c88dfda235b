// expect: js-prototype @ 4:8
// policy: strict
const target = {};
target.__proto__.polluted = true;
output = ({}).polluted;
