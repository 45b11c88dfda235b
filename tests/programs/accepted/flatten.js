const flatten = (object, prefix = '') => Object.entries(object).flatMap(([key, value]) =>
  value && typeof value === 'object' ? flatten(value, `${prefix}${key}.`) : [[prefix + key, value]]);
output = Object.fromEntries(flatten({ a: { b: { c: 1 } }, d: [2, 3] }));
