"""Proof of a service, before any user reaches it: its routes, checks, parity and keep-alive."""
