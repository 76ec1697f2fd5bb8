# Native functions only, declared in request_url.pxd.
