"""Requests through the load balancer: checks and parity."""
