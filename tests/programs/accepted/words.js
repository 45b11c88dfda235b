const count = (text) => text.toLowerCase().match(/\p{L}+/gu)?.reduce((all, w) => (all[w] = (all[w] ?? 0) + 1, all), Object.create(null));
output = count('The cat and the hat');
