const raw = String.raw`C:\new\table`;
const tag = (parts, ...values) => parts.raw.join('|') + values.join();
output = [raw, tag`a${1}\n${2}`];
