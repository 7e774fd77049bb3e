"""SM2, SM3 and SM4 behind one module; key files."""
