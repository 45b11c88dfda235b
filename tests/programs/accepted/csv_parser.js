function parse(text) {
  const rows = [];
  let field = '', row = [], quoted = false;
  for (let at = 0; at < text.length; at++) {
    const c = text[at];
    if (quoted) {
      if (c === '"' && text[at + 1] === '"') { field += '"'; at++; }
      else if (c === '"') quoted = false;
      else field += c;
    } else if (c === '"') quoted = true;
    else if (c === ',') { row.push(field); field = ''; }
    else if (c === '\n') { rows.push([...row, field]); row = []; field = ''; }
    else field += c;
  }
  return [...rows, [...row, field]];
}
output = parse('a,"b ""c""",d\n1,2,3');
