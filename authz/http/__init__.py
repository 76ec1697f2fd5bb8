"""Check over plain HTTP: for proxies that ask by a subrequest, and for Kubernetes webhooks."""
