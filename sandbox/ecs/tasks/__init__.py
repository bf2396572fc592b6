"""Running tasks: containers, environment, targets and logs."""
