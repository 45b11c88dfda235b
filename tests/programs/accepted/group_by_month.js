const byMonth = Map.groupBy(input?.orders ?? [], ({ date }) => date.slice(0, 7));
output = [...byMonth].map(([month, orders]) => ({ month, total: orders.reduce((sum, { price }) => sum + price, 0) }));
