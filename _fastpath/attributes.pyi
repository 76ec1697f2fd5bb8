# Native functions only, declared in attributes.pxd.
