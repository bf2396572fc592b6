"""
The embedded AWS: moto as control plane, with real routing, health checks, registry and tasks behind
it.

    python -m sandbox     one long-lived program; see cli.py
    ├── api/              the AWS endpoint: moto over HTTP, the record of calls, faults on request
    ├── elbv2/ cloudwatch/ ecs/ ecr/ iam/ logs/ autoscaling/ service_quotas/
    │                     one AWS service each: where moto differs from AWS, and its data plane
    ├── engine/           what builds images and runs containers: Docker, or processes
    └── forum/            the monolith to rehearse on

It imports nothing of the product, and the product uses only its endpoint URL and its Docker host.
"""
