const format = new Intl.NumberFormat('en', { style: 'currency', currency: 'EUR' });
output = [1, 2.5, 1e6].map((amount) => format.format(amount));
