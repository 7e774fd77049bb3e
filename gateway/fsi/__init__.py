"""The national medical-insurance interface: definitions, checks, envelope, channels."""
