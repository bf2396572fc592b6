"""Findings before the first change: routes, quotas, network, images, roles, alarms."""
