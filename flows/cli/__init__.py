"""What people and programs see of a run: arguments, the live display, logs, tables, exit codes."""
