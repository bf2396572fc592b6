"""Image content that both engines share: blobs, layers, images and the base image."""
