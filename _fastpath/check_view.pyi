# Native functions only, declared in check_view.pxd.
