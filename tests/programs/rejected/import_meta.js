// expect: js-import @ 2:14
const here = import.meta.url;
output = here;
