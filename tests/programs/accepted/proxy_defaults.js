const withDefault = (target, value) => new Proxy(target, { get: (object, key, self) => (Reflect.has(object, key) ? Reflect.get(object, key, self) : value) });
output = withDefault({ a: 1 }, 0).missing + withDefault({ a: 1 }, 0).a;
