"""
Calling AWS: clients, calls, retries, rate limits, tags, and the comparison of
wanted and existing.
"""
