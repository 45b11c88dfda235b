const { parse } = globalThis.JSON;
output = globalThis['Math'].max(...parse('[1, 2, 3]'));
