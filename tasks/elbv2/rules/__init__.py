"""What a listener rule says, and whether it still is what this tool wrote."""
