"""Service Quotas: AWS's default values."""
