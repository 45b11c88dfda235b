const bytes = Uint8Array.from(atob('SGVsbG8='), (c) => c.charCodeAt(0));
const view = new DataView(bytes.buffer);
output = { text: String.fromCharCode(...bytes), first: view.getUint16(0), hex: [...bytes].map((b) => b.toString(16)).join('') };
