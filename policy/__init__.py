"""Kubernetes-shaped objects: reading them, remembering them, telling what changed."""
