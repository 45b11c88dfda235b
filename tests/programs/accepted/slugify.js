// Makes a URL slug; the word eval in a comment or "process.env" in a string is no finding.
const slug = (title) => title.normalize('NFD').replace(/[\u0300-\u036f]/g, '').toLowerCase().replace(/[^a-z0-9]+/g, '-');
output = slug('Crème brûlée: require("fs") and process.exit() explained');
