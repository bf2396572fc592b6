"""The load balancer's data plane: one HAProxy a listener, target health, and CloudWatch metrics."""

from sandbox.alb.load_balancers import LoadBalancers

__all__ = ["LoadBalancers"]
