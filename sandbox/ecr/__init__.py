"""The OCI registry behind ECR: real clients push and pull, and ECR has the list of images."""
