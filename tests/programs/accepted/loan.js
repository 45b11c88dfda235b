// @param {number} principal
function payments(principal, rate, months) {
  const monthly = rate / 12;
  const payment = monthly === 0 ? principal / months : principal * monthly / (1 - (1 + monthly) ** -months);
  return Array.from({ length: months }, (_, at) => ({ month: at + 1, payment: +payment.toFixed(2) }));
}
output = payments(1200, 0.05, 3);
