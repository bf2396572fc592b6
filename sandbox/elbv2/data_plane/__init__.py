"""The load balancers at work: an HAProxy process per listener, target health, access logs."""
