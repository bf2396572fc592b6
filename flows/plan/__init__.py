"""
Everything that is decided before anything is done: observed state, planned
changes, preflight.
"""
