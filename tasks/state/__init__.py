"""The resources of one service, read at once: all of them, or those that the split owns."""
