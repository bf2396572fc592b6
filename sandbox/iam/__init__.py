"""IAM: trust policies and AWS's managed policies."""
