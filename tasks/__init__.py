"""
One AWS service or tool a file: desired and compare are pure, read describes,
ensure converges.
"""
