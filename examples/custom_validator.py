# Custom validator: a tenant's own rules for a record.
# input: {email, age}   output: {valid, errors}
def validate(record):
    errors = []
    if "@" not in (record.get("email") or ""):
        errors.append("Invalid email")
    if (record.get("age") or 0) < 18:
        errors.append("Must be 18 or older")
    return {"valid": not errors, "errors": errors}


output = validate(input)
