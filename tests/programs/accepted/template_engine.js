const render = (template, values) => template.replace(/\{\{(\w+)\}\}/g, (_, name) => values[name] ?? '');
output = render('Dear {{name}}, `eval` costs {{price}}.', { name: 'Ann', price: '5 €' });
