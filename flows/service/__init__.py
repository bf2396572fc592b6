"""
The stages of one service: prepare, place, verify, shift, settle, and those of a redeploy and a
removal.
"""
