"""
What builds images and runs containers: a real Docker engine where one answers, else an embedded
one.
"""
