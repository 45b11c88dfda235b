// expect: js-script-only @ 2:13
if (!input) return null;
output = input.length;
