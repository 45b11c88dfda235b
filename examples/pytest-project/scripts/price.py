# A customer's rule: ten per cent off from ten pieces on.
pieces, each = input["pieces"], input["each"]
total = pieces * each
output = {"total": total * 0.9 if pieces >= 10 else total}
