// Data transformation: a tenant's own mapping over records that the platform gives.
// input: [{ id, name, price, quantity }, …]   output: [{ id, name, total }, …]
function transform(data) {
  return data.map((item) => ({
    id: item.id,
    name: item.name.toUpperCase(),
    total: item.price * item.quantity,
  }));
}

output = transform(input);
