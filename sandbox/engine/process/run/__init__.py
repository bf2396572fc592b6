"""Running programs of images, each with its own files and loopback address."""
