// Custom validator: a tenant's own rules for a record.
// input: { email, age }   output: { valid, errors }
function validate(record) {
  const errors = [];
  if (!record.email || !record.email.includes('@')) {
    errors.push('Invalid email');
  }
  if (!record.age || record.age < 18) {
    errors.push('Must be 18 or older');
  }
  return { valid: errors.length === 0, errors };
}

output = validate(input);
