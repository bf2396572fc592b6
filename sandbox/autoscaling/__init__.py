"""Application Auto Scaling: where moto and AWS differ."""
