"""
One service's way out of the monolith: prepare, place, verify, shift, and what redeploys and
removals need.
"""
