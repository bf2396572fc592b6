"""Elastic Load Balancing v2: target groups, listener rules, weights, the run's lock."""
