"""CloudWatch metrics, alarms and logs."""
