"""Elastic Load Balancing: where moto and AWS differ, and the data plane."""
