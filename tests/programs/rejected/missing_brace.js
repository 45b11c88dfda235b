// expect: syntax-error @ 5:23
function total(orders) {
  return orders.reduce((sum, order) => sum + order.price, 0);

output = total(input);
