import base64
import hashlib
import hmac
import secrets
import uuid

key = secrets.token_bytes(16)
digest = hmac.new(key, b"message", hashlib.sha256).hexdigest()
output = [len(digest), base64.b64encode(b"abc").decode(), str(uuid.UUID(int=5))]
