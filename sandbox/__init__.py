"""
The embedded AWS: moto as control plane, with real routing, health checks, registry and tasks behind
it.

    python -m sandbox          one long-lived program; see cli.py
    ├── control/   moto over HTTP, the call record, faults on request, where moto and AWS differ
    ├── alb/       HAProxy as every Application Load Balancer
    ├── ecs/       services and tasks: deployments, targets, logs
    ├── registry/  the OCI registry behind ECR
    └── engine/    what builds images and runs containers: Docker, or processes

It imports nothing of the product, and the product knows only its endpoint URL and its Docker host.
"""
