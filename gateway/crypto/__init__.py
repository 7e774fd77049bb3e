"""SM2, SM3, SM4 and HMAC behind one module; key files."""
