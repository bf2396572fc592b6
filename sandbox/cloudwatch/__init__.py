"""CloudWatch: the load balancers' metrics, and alarms that follow their metric."""
