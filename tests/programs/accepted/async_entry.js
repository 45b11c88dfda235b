const load = async (id) => ({ id, name: `item ${id}` });
async function main({ ids } = { ids: [1, 2] }) {
  const items = await Promise.all(ids.map(load));
  for await (const item of items) console.log(item.name);
  return items.length;
}
output = main();
