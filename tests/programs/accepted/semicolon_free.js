const total = (orders) => {
  return orders.reduce((sum, order) => sum + order.price, 0)
}

[1, 2, 3].forEach((n) => console.log(n))
output = total([{ price: 1 }, { price: 41 }])
