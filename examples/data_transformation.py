# Data transformation: a tenant's own mapping over records that the platform gives.
# input: [{id, name, price, quantity}, ...]   output: [{id, name, total}, ...]
def transform(data):
    return [
        {"id": item["id"], "name": item["name"].upper(), "total": item["price"] * item["quantity"]}
        for item in data
    ]


output = transform(input)
