"""Dated code tables and translation as of the date of service."""
