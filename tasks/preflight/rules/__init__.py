"""The listener's rules: which of them a split would disturb."""
