"""What builds images and runs containers: a real Docker engine, or an embedded one."""
