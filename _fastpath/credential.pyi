# Native functions only, declared in credential.pxd.
