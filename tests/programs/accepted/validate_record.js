const rules = { email: (v) => /^[^@\s]+@[^@\s]+$/.test(v), age: (v) => Number.isInteger(v) && v >= 18 };
const errors = (record) => Object.entries(rules).filter(([field, test]) => !test(record[field])).map(([field]) => field);
output = errors({ email: 'nobody', age: 17 });
